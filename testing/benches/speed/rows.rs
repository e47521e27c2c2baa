//! The measured rows, and the table of them.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode};

use crate::floors::Floors;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How long a row is measured.
#[derive(Clone, Copy)]
pub(crate) enum Effort {
    /// A second.
    Usual,
    /// Once for each sample: one iteration takes so long that there are few.
    Long,
}

/// Measures rows, and collects their figures.
pub(crate) struct Rows {
    criterion: Criterion,
    lines: Vec<String>,
}

impl Rows {
    pub(crate) fn new() -> Self {
        let criterion = Criterion::default().without_plots().nresamples(2_000).configure_from_args();
        Self { criterion, lines: Vec::new() }
    }

    /// Measures a row: `sample` repeats what is measured so often, and returns how long all of it took. The result is the
    /// median of the samples; `None` if the command line leaves the row out.
    pub(crate) fn measure(
        &mut self,
        name: &str,
        count: u32,
        effort: Effort,
        mut sample: impl FnMut(u64) -> Outcome<Duration>,
    ) -> Outcome<Option<Duration>> {
        let (mut samples, mut failed) = (Vec::new(), None);
        let mut group = self.criterion.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat);
        match effort {
            Effort::Usual => group.sample_size(20).measurement_time(Duration::from_secs(1)),
            Effort::Long => group.sample_size(10).measurement_time(Duration::from_millis(100)),
        };
        group.warm_up_time(Duration::from_millis(200));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_custom(|iterations| match sample(iterations) {
                Ok(took) => {
                    let iterations = u32::try_from(iterations).unwrap_or(u32::MAX);
                    samples.push(took.as_secs_f64() / f64::from(iterations));
                    took
                }
                Err(error) => {
                    failed.get_or_insert(error);
                    // Criterion needs a duration.
                    Duration::from_secs(1)
                }
            });
        });
        group.finish();
        match failed {
            Some(error) => Err(error),
            None => Ok(median(samples)),
        }
    }

    /// Adds a line to the table, with the ratio of a figure to a floor, unless that is zero.
    pub(crate) fn compare(
        &mut self,
        what: &str,
        took: Option<Duration>,
        floor: Duration,
        floor_is: &str,
        bound: &str,
    ) {
        let ratio = |took: Duration| took.as_secs_f64() / floor.as_secs_f64();
        let against = match took {
            Some(took) if !floor.is_zero() => format!("{:7.2}x {floor_is}", ratio(took)),
            _ => String::new(),
        };
        let bound = if bound.is_empty() { String::new() } else { format!("bound: {bound}") };
        self.say(what, took, &format!("{against:<44} {bound}"));
    }

    /// Adds a line to the table, if there is a figure.
    pub(crate) fn say(&mut self, what: &str, took: Option<Duration>, remark: &str) {
        if let Some(took) = took {
            self.lines.push(format!("{what:<38} {} {remark}", shown(took)).trim_end().to_owned());
        }
    }

    /// Prints the floors and the table.
    pub(crate) fn print(&self, floors: &Floors) {
        self.criterion.final_summary();
        println!("\n{:<38} {}", "wasmtime alone: instantiate and call", shown(floors.instance));
        println!("{:<38} {}", "wasmtime alone: a host call", shown(floors.call));
        println!("{:<38} {}\n", "a round trip between two threads", shown(floors.hop));
        for line in &self.lines {
            println!("{line}");
        }
    }
}

/// Repeats what returns how long it took, and adds that up.
pub(crate) fn sum(times: u64, mut run: impl FnMut() -> Outcome<Duration>) -> Outcome<Duration> {
    (0..times).map(|_| run()).sum()
}

/// How long a call takes.
pub(crate) fn timed<T, E: std::error::Error + 'static>(
    work: impl FnOnce() -> Result<T, E>,
) -> Outcome<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

/// The middle one of these seconds.
pub(crate) fn median(mut seconds: Vec<f64>) -> Option<Duration> {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().map(Duration::from_secs_f64)
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1e-6 {
        format!("{:8.1} ns", seconds * 1e9)
    } else if seconds < 1e-3 {
        format!("{:8.2} us", seconds * 1e6)
    } else {
        format!("{:8.2} ms", seconds * 1e3)
    }
}
