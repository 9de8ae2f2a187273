//! Tokens per second as bars: a group for each case and number of streams, a bar for each server.

use anyhow::anyhow;
use plotters::prelude::*;

use super::report::Report;

const COLORS: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(255, 127, 14)];

/// Draws the report.
pub(super) fn svg(report: &Report) -> anyhow::Result<String> {
    let mut text = String::new();
    draw(report, &mut text).map_err(|e| anyhow!("cannot draw the plot: {e}"))?;
    Ok(text)
}

fn draw(report: &Report, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let mut groups: Vec<(usize, String)> = Vec::new();
    for row in &report.rows {
        let group = (row.streams, row.case.clone());
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let n_groups = u32::try_from(groups.len())?.max(1);
    let most = report.rows.iter().map(|row| row.tokens_per_second).fold(1.0, f64::max);
    let area = SVGBackend::with_string(text, (160 + 90 * n_groups, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .caption("Tokens per second, all streams together", ("sans-serif", 18))
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..f64::from(n_groups), 0.0..most * 1.15)?;
    let label = |x: &f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "labels stand at whole numbers")]
        let group = groups.get(x.floor() as usize);
        group.map_or(String::new(), |(streams, case)| format!("{case} x{streams}"))
    };
    chart.configure_mesh().disable_x_mesh().x_labels(groups.len() + 1).x_label_formatter(&label).draw()?;
    let width = 0.8 / f64::from(u32::try_from(report.servers.len())?.max(1));
    for (server, name) in report.servers.iter().enumerate() {
        let color = COLORS[server % COLORS.len()];
        let bars = report.rows.iter().filter(|row| row.server == server).filter_map(|row| {
            let group = groups.iter().position(|g| *g == (row.streams, row.case.clone()))?;
            let left = f64::from(u32::try_from(group).ok()?) + 0.1 + width * f64::from(u32::try_from(server).ok()?);
            Some(Rectangle::new([(left, 0.0), (left + width, row.tokens_per_second)], color.filled()))
        });
        chart
            .draw_series(bars)?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], color.filled()));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE).draw()?;
    area.present()?;
    drop(chart);
    Ok(())
}
