//! Exploration of all schedules, in parallel and within a budget.
//!
//! Invariants: the report does not depend on the order in which schedules are explored, unless a budget ends the check;
//! what was not explored is said.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::{
    budget,
    compare::{Difference, judge_perturbed, judge_replay},
    crash::{Shown, crash, other_options, points, repeated},
    diagnosis::{Different, diagnose},
    error::CheckError,
    kind::Kind,
    options::{Budget, Options, Progress},
    perturbation::{BytesChange, CheckpointChange, ClockChange, EnvChange, LogChange, Perturbation},
    record::Recording,
    replay::{Replayed, perturbed_replay, plain_replay},
    report::{Explored, Finding, FindingKind, Report, Verdict},
    schedule::{CrashPoint, Schedule, ScheduleId},
    state::ties,
    subject::Subject,
    threads::{on_a_thread, on_threads},
    trace::TraceOptions,
};

/// A replay without perturbation, which those with one are compared with.
#[derive(Debug)]
struct Plain {
    replayed: Replayed,
    differs: bool,
}

/// What one schedule led to.
struct Outcome {
    schedule: Schedule,
    /// What the schedule turned out to be.
    kind: Kind,
    difference: Option<Difference>,
    findings: Vec<Finding>,
    plain: Option<Plain>,
}

/// Checks a subject. Blocks until the check is complete; it runs on threads of its own, so it may be called from
/// asynchronous code of any runtime. `handler` is the handler's name in the report.
///
/// # Errors
/// When the check itself could not be made.
pub fn check(subject: &Subject, options: &Options, handler: &str) -> Result<Report, CheckError> {
    let began = Instant::now();
    let recording = on_a_thread(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                biased;
                recording = Recording::make(subject, options.seed) => recording,
                () = options.stop.stopped() => Err(CheckError::Stopped),
            }
        })
    })?;
    let check = Check {
        subject,
        options,
        recording: &recording,
        began,
        done: AtomicUsize::new(0),
        known: AtomicUsize::new(0),
    };
    let mut report = check.explore()?;
    handler.clone_into(&mut report.handler);
    Ok(report)
}

/// A share of a budget: a numerator and a denominator.
#[derive(Debug, Clone, Copy)]
struct Share(u32, u32);

impl Share {
    const ALL: Self = Self(1, 1);

    /// This share of a number, at least one.
    fn of(self, number: usize) -> usize {
        if self.0 == self.1 {
            number
        } else {
            (number / self.1 as usize).saturating_mul(self.0 as usize).max(1)
        }
    }
}

struct Check<'a> {
    subject: &'a Subject,
    options: &'a Options,
    recording: &'a Recording,
    began: Instant,
    done: AtomicUsize,
    known: AtomicUsize,
}

/// What has been found.
#[derive(Default)]
struct Found {
    differences: Vec<Different>,
    findings: BTreeMap<(FindingKind, String), Finding>,
    explored: Explored,
    not_explored: Vec<String>,
}

impl Found {
    fn add(&mut self, result: &mut Outcome) {
        if let Some(difference) = result.difference.take() {
            self.differences.push(Different { schedule: result.schedule, kind: result.kind, difference });
        }
        for finding in result.findings.drain(..) {
            self.findings.entry((finding.kind, finding.operation.id.clone())).or_insert(finding);
        }
    }
}

impl Check<'_> {
    fn explore(&self) -> Result<Report, CheckError> {
        let mut found = Found::default();
        let recording = self.recording;
        if let Some(schedule) = self.options.replay {
            self.exists(schedule)?;
            let mut results = self.run(&[schedule.0], &[], Share::ALL)?;
            for result in &mut results {
                found.add(result);
            }
            found.not_explored.push(format!("all but the schedule {schedule}: --replay was given"));
            return self.report(found);
        }
        if let Some(difference) = crate::compare::of_recording(recording) {
            found.differences.push(Different { schedule: Schedule::Record, kind: Kind::Replay, difference });
            found.not_explored.push("the recorded run itself does not replay".to_owned());
            return self.report(found);
        }
        let wants = |kind: Kind| self.options.kinds.contains(&kind);
        for kind in Kind::ALL.into_iter().filter(|kind| !wants(*kind)) {
            found.not_explored.push(format!("{kind}: not asked for"));
        }
        let mut left = match self.options.budget {
            Some(Budget::Schedules(count)) => count,
            _ => usize::MAX,
        };
        // A part of the budget for each, so that one does not use up what the next ones need.
        let (first, second) = (Share(3, 10), Share(6, 10));

        // Replays are needed for perturbations too.
        let replays: Vec<Schedule> = (0..recording.prefixes()).map(Schedule::Replay).collect();
        let crashes = if wants(Kind::Crash) { points(recording) } else { Vec::new() };
        self.known.store(replays.len() + crashes.len(), Ordering::Relaxed);
        let total = replays.len();
        let mut results = self.run(&self.sample(replays, &mut left, first), &[], first)?;
        let mut plain: Vec<Option<Plain>> = (0..total).map(|_| None).collect();
        for result in &mut results {
            if let (Schedule::Replay(prefix), Some(kept)) = (result.schedule, result.plain.take())
                && let Some(place) = plain.get_mut(prefix)
            {
                *place = Some(kept);
            }
            if wants(Kind::Replay) {
                found.add(result);
            }
        }
        found.explored.prefixes = [results.len(), total];

        let total = crashes.len();
        let mut results = self.run(&self.sample(crashes, &mut left, Share(1, 2)), &[], second)?;
        for result in &mut results {
            found.add(result);
        }
        found.explored.crash_points = [results.len(), total];

        let perturbed = self.perturbations(&plain);
        let total = perturbed.len();
        self.known.fetch_add(total, Ordering::Relaxed);
        let mut results = self.run(&self.sample(perturbed, &mut left, Share::ALL), &plain, Share::ALL)?;
        for result in &mut results {
            found.add(result);
        }
        found.explored.perturbations = [results.len(), total];
        self.say_what_is_left(&mut found);
        self.report(found)
    }

    fn say_what_is_left(&self, found: &mut Found) {
        let Some(why) = self.options.what_ended_it() else { return };
        let Explored { prefixes, crash_points, perturbations } = found.explored;
        for (what, [done, of]) in
            [("prefixes", prefixes), ("crash points", crash_points), ("perturbations", perturbations)]
        {
            if done < of {
                found.not_explored.push(format!("{} of {of} {what}: {why}", of - done));
            }
        }
    }

    fn exists(&self, id: ScheduleId) -> Result<(), CheckError> {
        let recording = self.recording;
        let exists = match id.0 {
            Schedule::Perturbed(Perturbation::Checkpoints(_), _) => false,
            Schedule::Perturbed(Perturbation::Ties(pair), prefix) => {
                prefix < recording.prefixes() && pair < ties(&recording.state(prefix)).len()
            }
            Schedule::Replay(prefix) | Schedule::Perturbed(_, prefix) => prefix < recording.prefixes(),
            Schedule::Crash(_) => points(recording).contains(&id.0),
            Schedule::Repeated(perturbation) => matches!(perturbation, Perturbation::Checkpoints(_)),
            Schedule::Record => true,
        };
        if exists {
            return Ok(());
        }
        let data = &recording.data;
        let (checkpoints, operations, points) = (data.checkpoints, data.operations, data.body_points);
        Err(CheckError::NoSuchSchedule(id, recording.prefixes(), checkpoints, operations, points))
    }

    /// The schedules that the budget allows, in an order that the seed chooses.
    fn sample(&self, mut schedules: Vec<Schedule>, left: &mut usize, share: Share) -> Vec<Schedule> {
        self.options.shuffle(&mut schedules);
        schedules.truncate(share.of(*left));
        *left -= schedules.len();
        schedules
    }

    /// The perturbations that may make a difference: those of what the handler uses.
    fn perturbations(&self, plain: &[Option<Plain>]) -> Vec<Schedule> {
        let mut schedules = Vec::new();
        for (prefix, plain) in plain.iter().enumerate() {
            let Some(plain) = plain.as_ref().filter(|plain| !plain.differs) else { continue };
            let used = plain.replayed.data.used;
            let whole = self.recording.is_whole(prefix);
            let mut add =
                |perturbation: Perturbation| schedules.push(Schedule::Perturbed(perturbation, prefix));
            if used.clock > 0 {
                for change in
                    [ClockChange::Now, ClockChange::Ahead(17), ClockChange::Ahead(3600), ClockChange::Fast]
                {
                    add(Perturbation::Clock(change));
                }
                for at in 2..=used.clock.min(6) {
                    add(Perturbation::Clock(ClockChange::Jump(at)));
                }
            }
            let seeds = if whole { 8 } else { 4 };
            let seed = |number: u64| self.options.seed.wrapping_mul(31).wrapping_add(number);
            if used.random {
                add(Perturbation::Random(BytesChange::Low));
                add(Perturbation::Random(BytesChange::High));
                (1..=seeds).for_each(|number| add(Perturbation::Random(BytesChange::Seed(seed(number)))));
            }
            if used.hash {
                (1..=seeds).for_each(|number| add(Perturbation::Hash(seed(number))));
            }
            if used.env {
                add(Perturbation::Env(EnvChange::Changed));
                add(Perturbation::Env(EnvChange::Removed));
            }
            if used.log_levels {
                add(Perturbation::Log(LogChange::Levels));
            }
            if whole {
                add(Perturbation::Log(LogChange::Output));
                add(Perturbation::Memory(1));
                add(Perturbation::Memory(2048));
            }
            add(Perturbation::Memory(64));
            let pairs = ties(&self.recording.state(prefix)).len().min(16);
            (0..pairs).for_each(|pair| add(Perturbation::Ties(pair)));
        }
        for change in [CheckpointChange::Eager, CheckpointChange::Optimistic, CheckpointChange::Delayed] {
            schedules.push(Schedule::Repeated(Perturbation::Checkpoints(change)));
        }
        schedules.retain(|schedule| self.options.kinds.contains(&schedule.kind()));
        schedules
    }

    /// Explores schedules on all threads, until the time is over.
    fn run(
        &self,
        schedules: &[Schedule],
        plain: &[Option<Plain>],
        share: Share,
    ) -> Result<Vec<Outcome>, CheckError> {
        let until = match self.options.budget {
            Some(Budget::Time(time)) => Some(self.began + time * share.0 / share.1),
            _ => None,
        };
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        on_threads(self.options.threads().min(schedules.len()), |runtime| {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(schedule) = schedules.get(at) else { break };
                // One of each is explored whatever the budget, so that a verdict rests on something.
                let until = until.filter(|_| at > 0);
                if until.is_some_and(|until| Instant::now() >= until) || self.options.stop.is_stopped() {
                    break;
                }
                let performed = self.options.stop.within(until, self.perform(*schedule, plain));
                let Some(result) = runtime.block_on(performed) else { break };
                let result = result?;
                results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                if let Some(progress) = &self.options.progress {
                    progress(Progress { done, of: self.known.load(Ordering::Relaxed).max(done) });
                }
            }
            Ok(())
        })?;
        Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn perform(&self, schedule: Schedule, plain: &[Option<Plain>]) -> Result<Outcome, CheckError> {
        let (subject, recording, seed) = (self.subject, self.recording, self.options.seed);
        let shown = |shown: Shown| Outcome {
            schedule,
            kind: match schedule {
                Schedule::Crash(CrashPoint::AfterCheckpoint(_)) if shown.only_replayed => Kind::Replay,
                _ => schedule.kind(),
            },
            difference: shown.difference,
            findings: shown.findings,
            plain: None,
        };
        Ok(match schedule {
            Schedule::Record => Outcome {
                schedule,
                kind: Kind::Replay,
                difference: crate::compare::of_recording(recording),
                findings: Vec::new(),
                plain: None,
            },
            Schedule::Replay(prefix) => {
                let replayed =
                    plain_replay(subject, recording, seed, prefix, TraceOptions::default()).await?;
                let difference = judge_replay(recording, prefix, &replayed);
                let findings = other_options(recording, &replayed.data);
                let differs = difference.is_some();
                let plain = Some(Plain { replayed: slim(replayed), differs });
                Outcome { schedule, kind: schedule.kind(), difference, findings, plain }
            }
            Schedule::Perturbed(perturbation, prefix) => {
                let made;
                let plain = if let Some(plain) = plain.get(prefix).and_then(Option::as_ref) {
                    &plain.replayed
                } else {
                    made = plain_replay(subject, recording, seed, prefix, TraceOptions::default()).await?;
                    &made
                };
                let replayed =
                    perturbed_replay(subject, recording, seed, prefix, perturbation, TraceOptions::default())
                        .await?;
                let difference = judge_perturbed(recording, prefix, plain, &replayed, perturbation);
                let findings = other_options(recording, &replayed.data);
                Outcome { schedule, kind: schedule.kind(), difference, findings, plain: None }
            }
            Schedule::Crash(point) => {
                shown(crash(subject, recording, seed, point, TraceOptions::default()).await?)
            }
            Schedule::Repeated(perturbation) => {
                shown(repeated(subject, recording, seed, perturbation, TraceOptions::default()).await?)
            }
        })
    }

    fn report(&self, found: Found) -> Result<Report, CheckError> {
        let first = |perturbed: bool| {
            let of_kind = |different: &&Different| different.kind.is_perturbation() == perturbed;
            let order = |different: &&Different| {
                (different.difference.place, different.kind, different.schedule.order())
            };
            found.differences.iter().filter(of_kind).min_by_key(order)
        };
        let (verdict, chosen) = match (first(false), first(true)) {
            (Some(chosen), _) => (Verdict::NonDeterministic, Some(chosen)),
            (None, Some(chosen)) => (Verdict::SandboxDependent, Some(chosen)),
            (None, None) => (Verdict::Deterministic, None),
        };
        let divergence = match chosen {
            Some(different) => Some(diagnose(self.subject, self.recording, self.options.seed, different)?),
            None => None,
        };
        let mut by_kind = BTreeMap::new();
        for different in &found.differences {
            by_kind.entry(different.kind).or_insert_with(|| different.schedule.id().to_string());
        }
        let mut not_explored = found.not_explored;
        if let Some(stalled) = &self.recording.stalled {
            not_explored.push(format!("what follows once {stalled} is answered"));
        }
        Ok(Report {
            verdict,
            handler: String::new(),
            function: self.subject.function.clone(),
            divergence,
            findings: found.findings.into_values().collect(),
            explored: found.explored,
            not_explored,
            budget: budget::of(self.recording),
            histories: Vec::new(),
            stalled: self.recording.stalled.clone(),
            kinds: self.options.kinds.clone(),
            ended: self.recording.unsuccessful(),
            unused: self.recording.unused.clone(),
            by_kind,
        })
    }
}

/// Keeps of a replay what perturbed ones are compared with.
fn slim(mut replayed: Replayed) -> Replayed {
    replayed.data.starts = Vec::new();
    replayed.data.imports = Vec::new();
    replayed.data.interrupted =
        std::mem::take(&mut replayed.data.interrupted).into_iter().take(1).collect::<HashSet<_>>();
    replayed.asked.truncate(1);
    replayed
}
