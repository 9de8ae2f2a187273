//! One walk through the masks, byte by byte, to the end of a value.
//!
//! What the guard vetoes is not drawn again; where nothing is left, the walk steps back and bans what led there. Where
//! chance does not find a value, such as a text that only the guard can judge, the matcher's own ending lends one.

use rand::{Rng, RngExt as _};

use super::place::{Place, Plan};
use crate::grammar::{Mask, Matcher, TokenId, Verdict};

/// The token that ends a text; those before it are the bytes.
pub(super) const END: TokenId = 256;

/// How often one walk may step back.
const MAX_BACKS: usize = 200;
/// Each so many steps back, one goes a byte further: the deeper a dead end, the less a byte helps.
const N_BACKS_ALIKE: usize = 20;
/// How many vetoes one walk may meet.
const MAX_VETOES: usize = 100;
/// Each so many vetoes, a scalar is taken from the matcher's ending.
const N_VETOES_ALIKE: usize = 12;
/// How many places are tried from which a lost walk may end.
const MAX_CUTS: usize = 8;
/// How many bytes a walk goes on before it asks for the ending again.
const N_UNTIL_CLOSING: usize = 16;
/// How many bytes a walk may pass its target by, beside the same again.
const MAX_OVER: usize = 1000;

/// A walk under way. Its methods give nothing when it is lost for good.
pub(super) struct Walk<'r, R> {
    matcher: Matcher,
    plan: Plan,
    rng: &'r mut R,
    trail: Vec<Step>,
    place: Place,
    /// Tokens that led nowhere, with their positions.
    bans: Vec<(usize, TokenId)>,
    n_backs: usize,
    n_vetoes: usize,
    /// From this length on the matcher is asked for an ending.
    close_at: usize,
}

/// A byte of the text.
struct Step {
    byte: u8,
    before: Place,
}

impl<'r, R: Rng> Walk<'r, R> {
    /// Begins at the first byte of an answer.
    pub(super) fn new(matcher: Matcher, plan: Plan, rng: &'r mut R) -> Self {
        Self {
            matcher,
            plan,
            rng,
            trail: Vec::new(),
            place: Place::default(),
            bans: Vec::new(),
            n_backs: 0,
            n_vetoes: 0,
            close_at: plan.target,
        }
    }

    /// Walks to the end and returns the text.
    pub(super) fn run(mut self) -> Option<String> {
        let max_bytes = self.plan.target.saturating_mul(2).saturating_add(MAX_OVER);
        loop {
            let is_lost = self.n_vetoes > MAX_VETOES || self.n_backs > MAX_BACKS || self.trail.len() > max_bytes;
            let is_complete = if is_lost {
                self.cut_short()?
            } else if self.trail.len() >= self.close_at {
                self.close()?
            } else {
                self.step()?
            };
            if is_complete {
                return String::from_utf8(self.trail.iter().map(|step| step.byte).collect()).ok();
            }
        }
    }

    /// Draws one byte. Returns whether the text is complete.
    fn step(&mut self) -> Option<bool> {
        let mut mask = self.matcher.mask().ok()?;
        let here = self.trail.len();
        let banned = self.bans.iter().filter(|(at, _)| *at == here);
        banned.for_each(|(_, token)| mask.forbid(*token));
        while let Some(token) = self.draw(&mask) {
            let is_taken = match u8::try_from(token) {
                Ok(byte) => self.take(byte)?,
                Err(_) => self.matcher.end() == Verdict::Taken,
            };
            if is_taken {
                return Some(token == END || self.matcher.is_stopped());
            }
            self.n_vetoes += 1;
            if self.n_vetoes.is_multiple_of(N_VETOES_ALIKE) {
                return self.borrow_scalar();
            }
            mask.forbid(token);
        }
        self.step_back()?;
        Some(false)
    }

    /// Draws one of the tokens that `mask` allows.
    fn draw(&mut self, mask: &Mask) -> Option<TokenId> {
        let n_allowed = mask.n_allowed();
        let mut choices: Vec<(TokenId, f64)> = Vec::with_capacity(n_allowed);
        let mut total = 0.0;
        mask.for_each(|token| {
            total += self.place.weight(u8::try_from(token).ok(), self.trail.len(), n_allowed, &self.plan);
            choices.push((token, total));
        });
        let (last, _) = *choices.last()?;
        let drawn = self.rng.random_range(0.0..total);
        Some(choices.iter().find(|(_, up_to)| drawn < *up_to).map_or(last, |(token, _)| *token))
    }

    /// Takes `byte`, which the mask allows, unless the guard vetoes it.
    fn take(&mut self, byte: u8) -> Option<bool> {
        match self.matcher.accept(TokenId::from(byte)).ok()? {
            Verdict::Taken => {
                self.trail.push(Step { byte, before: self.place });
                self.place = self.place.after(byte, self.trail.len() - 1);
                Some(true)
            }
            Verdict::Vetoed(_) => Some(false),
        }
    }

    /// Takes `byte` if both mask and guard allow it.
    fn take_if_allowed(&mut self, byte: u8) -> Option<bool> {
        // Why: a matcher that is given what it does not allow is of no use afterwards.
        if self.matcher.allows(TokenId::from(byte)).ok()? { self.take(byte) } else { Some(false) }
    }

    /// Takes the ending that the matcher knows, as far as it goes. Returns whether the text is complete.
    fn close(&mut self) -> Option<bool> {
        for byte in self.matcher.closing().unwrap_or_default() {
            if !self.take_if_allowed(byte)? {
                break;
            }
        }
        self.close_at = self.trail.len() + N_UNTIL_CLOSING;
        Some(self.matcher.is_stopped() || self.matcher.is_accepting().ok()?)
    }

    /// Replaces the scalar that chance does not find by that of the matcher's ending.
    fn borrow_scalar(&mut self) -> Option<bool> {
        let start = self.place.scalar_at.min(self.trail.len());
        self.back_to(start)?;
        for byte in self.matcher.closing().unwrap_or_default() {
            let is_over = self.trail.len() > start && !self.place.goes_on_with(byte);
            if is_over || !self.take_if_allowed(byte)? {
                break;
            }
        }
        Some(self.matcher.is_stopped())
    }

    /// Goes back to earlier places, and from one of them takes the ending that the matcher knows.
    fn cut_short(&mut self) -> Option<bool> {
        for _ in 0..MAX_CUTS {
            let n_kept = self.rng.random_range(0..=self.trail.len());
            self.back_to(n_kept)?;
            if self.close()? {
                return Some(true);
            }
        }
        None
    }

    /// Takes the last byte back, or some more, and bans what was chosen there.
    fn step_back(&mut self) -> Option<()> {
        let n_back = 1 + self.n_backs / N_BACKS_ALIKE;
        self.n_backs += 1;
        let n_kept = self.trail.len().saturating_sub(n_back);
        let banned = self.trail.get(n_kept)?.byte;
        self.back_to(n_kept)?;
        self.bans.push((n_kept, TokenId::from(banned)));
        Some(())
    }

    /// Takes back all but the first `n_kept` bytes.
    fn back_to(&mut self, n_kept: usize) -> Option<()> {
        let Some(step) = self.trail.get(n_kept) else { return Some(()) };
        self.place = step.before;
        self.matcher.rollback(self.trail.len() - n_kept).ok()?;
        self.trail.truncate(n_kept);
        self.bans.retain(|(at, _)| *at <= n_kept);
        Some(())
    }
}
