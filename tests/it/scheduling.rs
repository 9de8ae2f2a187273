//! Scheduling as relations, over random loads on the fake device, seen from outside: by the device, and by clients.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drawplate::engine::{
    Ask, Backend, BackendError, Engine, Event, FakeBackend, FakeMode, Job, Limits, Row, Sampling, SlotId, Tuning,
    fake_vocab,
};
use drawplate::grammar::TokenId;
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::mpsc::Receiver;

use crate::support::{grammar, job};

/// What the device was asked for.
#[derive(Default)]
struct Seen {
    /// Rows of each step.
    n_rows: Vec<usize>,
    /// Cells that were computed and cut off again while their sequence went on.
    n_rewound: usize,
}

/// The fake device, with a record of what it is asked for. The fake itself panics at a gap, a full slot, or a batch
/// that is too large.
struct Watched {
    inner: FakeBackend,
    seen: Rc<RefCell<Seen>>,
    n_cells: Vec<usize>,
}

impl Backend for Watched {
    type Outputs<'a> = <FakeBackend as Backend>::Outputs<'a>;
    type Saved = <FakeBackend as Backend>::Saved;

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn can_draw(&self, sampling: &Sampling) -> bool {
        self.inner.can_draw(sampling)
    }

    fn start(&mut self, rows: &[Row]) -> Result<(), BackendError> {
        assert!(rows.is_sorted_by_key(|row| row.slot.0), "rows of one slot are together, in the order of slots");
        for row in rows {
            assert_eq!(row.pos, self.n_cells[row.slot.0], "a token computed twice, or not at all");
            self.n_cells[row.slot.0] += 1;
        }
        self.seen.borrow_mut().n_rows.push(rows.len());
        self.inner.start(rows)
    }

    fn ask(&mut self, asks: &[Ask<'_>]) {
        self.inner.ask(asks);
    }

    fn finish(&mut self) -> Result<Self::Outputs<'_>, BackendError> {
        self.inner.finish()
    }

    fn truncate(&mut self, slot: SlotId, n: usize) -> usize {
        self.n_cells[slot.0] = self.inner.truncate(slot, n);
        self.n_cells[slot.0]
    }

    fn rewind(&mut self, slot: SlotId, n: usize) -> usize {
        self.seen.borrow_mut().n_rewound += self.n_cells[slot.0] - n;
        self.truncate(slot, n)
    }

    fn copy_prefix(&mut self, from: SlotId, to: SlotId, n: usize) -> usize {
        self.n_cells[to.0] = self.inner.copy_prefix(from, to, n);
        self.n_cells[to.0]
    }

    fn saved_bytes(&self, slot: SlotId) -> usize {
        self.inner.saved_bytes(slot)
    }

    fn save(&mut self, slot: SlotId) -> Option<Self::Saved> {
        self.inner.save(slot)
    }

    fn restore(&mut self, slot: SlotId, saved: &Self::Saved, n: usize) -> usize {
        self.n_cells[slot.0] = self.inner.restore(slot, saved, n);
        self.n_cells[slot.0]
    }
}

/// A request as the strategy makes it.
#[derive(Clone, Debug)]
struct Request {
    n_prompt: usize,
    /// Prompts of one family begin alike.
    family: u32,
    max_tokens: usize,
    is_bound: bool,
    /// Steps between the request before it and this one.
    pause: usize,
    /// The client leaves after so many of its tokens.
    leaves_after: Option<usize>,
}

fn ask() -> impl Strategy<Value = Request> {
    let leaves = prop::option::weighted(0.25, 0usize..20);
    (1usize..500, 0u32..3, 1usize..60, any::<bool>(), 0usize..12, leaves).prop_map(
        |(n_prompt, family, max_tokens, is_bound, pause, leaves_after)| Request {
            n_prompt,
            family,
            max_tokens,
            is_bound,
            pause,
            leaves_after,
        },
    )
}

/// A request in progress, as its client sees it.
struct Client {
    ask: Request,
    receiver: Option<Receiver<Event>>,
    n_cached: Option<usize>,
    n_tokens: usize,
    has_ended: bool,
    /// Steps since it was started, or since its last token.
    n_silent: usize,
}

impl Client {
    fn is_running(&self) -> bool {
        self.n_cached.is_some() && !self.has_ended && self.receiver.is_some()
    }

    /// Reads what has come with a step.
    fn read(&mut self) {
        self.n_silent += usize::from(self.is_running());
        let Some(receiver) = &mut self.receiver else { return };
        while let Ok(event) = receiver.try_recv() {
            self.n_silent = 0;
            match event {
                Event::Started { n_cached, .. } => self.n_cached = Some(n_cached),
                Event::Token { .. } => self.n_tokens += 1,
                Event::Finished(..) => self.has_ended = true,
                Event::Failed(error) => panic!("{error}"),
            }
        }
        if self.ask.leaves_after.is_some_and(|n| self.n_cached.is_some() && self.n_tokens >= n) && !self.has_ended {
            self.receiver = None;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nobody_starves_nothing_is_computed_twice_and_who_leaves_makes_room(
        asks in prop::collection::vec(ask(), 1..16),
        n_slots in 1usize..6,
        n_batch in 40usize..200,
        draws in any::<bool>(),
    ) {
        let vocab = Arc::new(fake_vocab().unwrap());
        let grammar = grammar(&vocab, json!({"type": "array", "minItems": 2, "items": {"type": "object",
            "additionalProperties": false, "required": ["a_long_name"], "properties": {"a_long_name": {"type": "integer"}}}}));
        let limits = Limits { n_slots, n_batch, n_ctx: 700 };
        let inner = FakeBackend::new(limits, FakeMode::Random, Arc::clone(&vocab), Duration::ZERO);
        let inner = if draws { inner.drawing(0) } else { inner };
        let seen = Rc::new(RefCell::new(Seen::default()));
        let watched = Watched { inner, seen: Rc::clone(&seen), n_cells: vec![0; n_slots] };
        // Drafts are computed on a guess, and wrong ones cut off: without them, nothing ever is.
        let tuning = Tuning { speculates: false, ..Tuning::default() };
        let mut engine = Engine::new(watched, Arc::clone(&vocab), tuning);
        let mut clients: Vec<Client> = Vec::new();
        let mut coming = asks.into_iter().peekable();
        let mut n_paused = 0;
        let mut n_steps = 0;
        while coming.peek().is_some() || !engine.is_idle() {
            while let Some(ask) = coming.next_if(|ask| n_paused >= ask.pause) {
                n_paused = 0;
                let prompt: Vec<TokenId> =
                    (0..).take(ask.n_prompt).map(|i: TokenId| (i * (ask.family + 1) + ask.family) % 250).collect();
                let (job, receiver) = job(prompt, ask.is_bound.then(|| Arc::clone(&grammar)), ask.max_tokens);
                engine.submit(Job { closes: ask.is_bound, ..job });
                clients.push(Client {
                    ask, receiver: Some(receiver), n_cached: None, n_tokens: 0, has_ended: false, n_silent: 0,
                });
            }
            n_paused += 1;
            n_steps += 1;
            engine.step(Instant::now());
            clients.iter_mut().for_each(Client::read);
            // Each prompt gets at least 24 rows of every turn in which it is first; a run of forced tokens, its fair part.
            for client in &clients {
                let n_most = n_slots * (client.ask.n_prompt / 24 + 4);
                prop_assert!(client.n_silent <= n_most, "nothing for {} steps: {:?}", client.n_silent, client.ask);
            }
            let n_running = clients.iter().filter(|client| client.is_running()).count();
            prop_assert!(n_running <= n_slots);
            prop_assert!(n_steps < 20_000, "it does not end");
        }
        let seen = seen.borrow();
        prop_assert!(seen.n_rows.iter().all(|n| *n <= n_batch));
        prop_assert_eq!(seen.n_rewound, 0);
        let mut n_needed = 0;
        for client in &clients {
            // Who has left may have had one more step.
            prop_assert!(client.has_ended || client.receiver.is_none(), "never answered: {:?}", client.ask);
            let n_cached = client.n_cached.unwrap_or(0);
            prop_assert!(n_cached < client.ask.n_prompt);
            n_needed += client.ask.n_prompt - n_cached + client.ask.max_tokens;
        }
        prop_assert!(seen.n_rows.iter().sum::<usize>() <= n_needed, "more rows than tokens");
    }

    #[test]
    fn who_leaves_makes_room_at_once(n_slots in 1usize..6, n_prompt in 1usize..400, n_steps in 0usize..10) {
        let vocab = Arc::new(fake_vocab().unwrap());
        let limits = Limits { n_slots, n_batch: 64, n_ctx: 700 };
        let backend = FakeBackend::new(limits, FakeMode::Scripted("x".repeat(600)), Arc::clone(&vocab), Duration::ZERO);
        let mut engine = Engine::new(backend, vocab, Tuning::default());
        let mut receivers = Vec::new();
        // As many again wait in the queue.
        for i in (0..).take(n_slots * 2) {
            let (job, receiver) = job((0..).take(n_prompt).map(|t: TokenId| (t + i * 7) % 250).collect(), None, 200);
            engine.submit(job);
            receivers.push(receiver);
        }
        (0..n_steps).for_each(|_| engine.step(Instant::now()));
        drop(receivers);
        engine.step(Instant::now());
        prop_assert!(engine.is_idle());
    }
}
