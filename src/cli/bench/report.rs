//! Medians over rounds, ratios of one round's pairs, and a table of them.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::load::Measured;

/// All that was measured, and what follows from it.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) servers: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// First server to second: geometric mean over the bound cases, by number of streams.
    pub(super) bound_ratio: BTreeMap<usize, f64>,
    measured: Vec<Measured>,
}

/// One case with one number of streams at one server. Times are in seconds.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) server: usize,
    pub(super) case: String,
    pub(super) streams: usize,
    /// Median over rounds.
    pub(super) tokens_per_second: f64,
    /// Median over answers, from first part to last.
    pub(super) decode_tokens_per_second: f64,
    pub(super) time_to_first_token: Percentiles,
    pub(super) between_parts: Percentiles,
    /// Tokens per second to the free case of the same round: median.
    pub(super) to_free: Option<f64>,
    /// The same of tokens per second from first part to last, median over the answers of a round: short answers are not
    /// charged with their prompts.
    pub(super) decode_to_free: Option<f64>,
    /// Tokens per second to the other server in the same round: median, least and most.
    pub(super) to_other: Option<[f64; 3]>,
    /// Answers that are the same text as the other server's to the same request, of those that both gave.
    pub(super) same_text: Option<[usize; 2]>,
    pub(super) valid: usize,
    pub(super) closed: usize,
    pub(super) cut: usize,
    pub(super) invalid: usize,
    pub(super) errors: usize,
    pub(super) first_error: Option<String>,
    /// Load average of the machine, median.
    pub(super) load: f64,
}

/// Of some durations in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
}

impl Report {
    pub(super) fn of(servers: Vec<String>, measured: Vec<Measured>) -> Self {
        let mut places: Vec<(usize, String, usize)> = Vec::new();
        for m in &measured {
            let place = (m.streams, m.case.clone(), m.server);
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let rows: Vec<Row> =
            places.into_iter().map(|(streams, case, server)| row(&measured, server, &case, streams)).collect();
        let mut logs: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.server == 0 && row.case != "free") {
            if let Some([median, ..]) = row.to_other {
                logs.entry(row.streams).or_default().push(median.ln());
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a few cases")]
        let mean = |logs: Vec<f64>| (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        let bound_ratio = logs.into_iter().map(|(streams, logs)| (streams, mean(logs))).collect();
        Self { servers, rows, bound_ratio, measured }
    }

    pub(super) fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        for (i, server) in self.servers.iter().enumerate() {
            writeln!(out, "server {}: {server}", i + 1)?;
        }
        writeln!(
            out,
            "{:<14} {:>3} {:>2} {:>8} {:>7} {:>8} {:>7} {:>17} {:>7} {:>7} {:>7} {:>7}  answers",
            "case", "str", "on", "tok/s", "/free", "decode", "/free", "/other", "ttft", "gap50", "gap90", "gap99"
        )?;
        for row in &self.rows {
            let ratio = |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
            let to_other = row
                .to_other
                .map_or(String::new(), |[median, least, most]| format!("{median:.2} ({least:.2}-{most:.2})"));
            let Percentiles { p50, p90, p99 } = row.between_parts;
            writeln!(
                out,
                "{:<14} {:>3} {:>2} {:>8.1} {:>7} {:>8.1} {:>7} {:>17} {:>7.3} {:>7.4} {:>7.4} {:>7.4}  {}",
                row.case,
                row.streams,
                row.server + 1,
                row.tokens_per_second,
                ratio(row.to_free),
                row.decode_tokens_per_second,
                ratio(row.decode_to_free),
                to_other,
                row.time_to_first_token.p50,
                p50,
                p90,
                p99,
                row.answers()
            )?;
        }
        for (streams, ratio) in &self.bound_ratio {
            writeln!(out, "bound, {streams} streams, server 1 to server 2: {ratio:.2} (geometric mean over schemas)")?;
        }
        Ok(())
    }
}

impl Row {
    fn answers(&self) -> String {
        let counts = [
            (self.valid, "valid"),
            (self.closed, "closed"),
            (self.cut, "cut off"),
            (self.invalid, "INVALID"),
            (self.errors, "errors"),
        ];
        let mut text: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        // Two different servers hardly ever agree; that they do not is no news.
        if let Some([n_same, n_all]) = self.same_text.filter(|[n_same, _]| *n_same > 0) {
            text.push(format!("{n_same} of {n_all} the same text"));
        }
        text.extend(self.first_error.iter().map(|error| format!("first: {error}")));
        text.join(", ")
    }
}

fn row(measured: &[Measured], server: usize, case: &str, streams: usize) -> Row {
    let of = |server: usize, case: &str| -> Vec<&Measured> {
        measured.iter().filter(|m| m.server == server && m.case == case && m.streams == streams).collect()
    };
    let own = of(server, case);
    let ratios = |others: &[&Measured], speed: fn(&Measured) -> f64| -> Vec<f64> {
        let ratio = |m: &&Measured| {
            let other = others.iter().find(|other| other.round == m.round)?;
            Some(speed(m) / speed(other)).filter(|ratio| ratio.is_finite())
        };
        own.iter().filter_map(ratio).collect()
    };
    let all_speed = |m: &Measured| m.tokens_per_second;
    let decode_speed = |m: &Measured| median(m.decode_tokens_per_second.clone());
    let all = |field: fn(&Measured) -> &Vec<f64>| own.iter().flat_map(|m| field(m).iter().copied()).collect();
    let others = of(1 - server.min(1), case);
    let pairs: Vec<bool> = own
        .iter()
        .filter_map(|m| Some((m, others.iter().find(|other| other.round == m.round)?)))
        .flat_map(|(m, other)| m.texts.iter().filter_map(|(i, text)| Some(other.texts.get(i)? == text)))
        .collect();
    let to_other = ratios(&others, all_speed);
    let free = if case == "free" { Vec::new() } else { of(server, "free") };
    let (to_free, decode_to_free) = (ratios(&free, all_speed), ratios(&free, decode_speed));
    Row {
        server,
        case: case.to_owned(),
        streams,
        tokens_per_second: median(own.iter().map(|m| m.tokens_per_second).collect()),
        decode_tokens_per_second: median(all(|m| &m.decode_tokens_per_second)),
        time_to_first_token: percentiles(all(|m| &m.time_to_first_token)),
        between_parts: percentiles(all(|m| &m.between_parts)),
        to_free: (!to_free.is_empty()).then(|| median(to_free)),
        decode_to_free: (!decode_to_free.is_empty()).then(|| median(decode_to_free)),
        to_other: (!to_other.is_empty()).then(|| {
            let least = to_other.iter().copied().fold(f64::INFINITY, f64::min);
            let most = to_other.iter().copied().fold(0.0, f64::max);
            [median(to_other), least, most]
        }),
        same_text: (!pairs.is_empty()).then(|| [pairs.iter().filter(|same| **same).count(), pairs.len()]),
        valid: own.iter().map(|m| m.valid).sum(),
        closed: own.iter().map(|m| m.closed).sum(),
        cut: own.iter().map(|m| m.cut).sum(),
        invalid: own.iter().map(|m| m.invalid).sum(),
        errors: own.iter().map(|m| m.errors.len()).sum(),
        first_error: own.iter().find_map(|m| m.errors.first().cloned()),
        load: median(own.iter().map(|m| m.load).collect()),
    }
}

fn percentiles(mut values: Vec<f64>) -> Percentiles {
    values.sort_by(f64::total_cmp);
    let at = |per_mille: usize| values.get(values.len() * per_mille / 1000).copied().unwrap_or(0.0);
    Percentiles { p50: at(500), p90: at(900), p99: at(990) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let one = |server, case: &str, round, tokens_per_second| Measured {
            server,
            case: case.into(),
            streams: 1,
            round,
            tokens_per_second,
            texts: [(0, "x".to_owned()), (1, format!("{}", server * usize::from(round)))].into(),
            ..Measured::default()
        };
        let measured = vec![
            one(0, "free", 1, 10.0),
            one(1, "free", 1, 10.0),
            one(0, "a", 1, 20.0),
            one(1, "a", 1, 10.0),
            // The machine is twice as slow in the second round, for both.
            one(0, "free", 2, 5.0),
            one(1, "free", 2, 5.0),
            one(0, "a", 2, 10.0),
            one(1, "a", 2, 5.0),
        ];
        let report = Report::of(vec!["x".into(), "y".into()], measured);
        let a = report.rows.iter().find(|row| row.server == 0 && row.case == "a").expect("a row");
        assert_eq!(a.to_free, Some(2.0));
        assert_eq!(a.to_other, Some([2.0, 2.0, 2.0]));
        assert_eq!(a.same_text, Some([2, 4]));
        assert!((report.bound_ratio[&1] - 2.0).abs() < 1e-9);
        assert!((a.tokens_per_second - 15.0).abs() < 1e-9);
    }
}
