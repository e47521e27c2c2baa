//! Shares of a gauge: what is there now is counted, also if whoever counted it is dropped.

use prometheus_client::metrics::gauge::Gauge;

/// A share of a gauge, until it is dropped.
pub(crate) struct Counted {
    gauge: Gauge,
    share: i64,
}

impl Counted {
    /// A share of nothing.
    pub(crate) fn nothing(gauge: &Gauge) -> Self {
        Self { gauge: gauge.clone(), share: 0 }
    }

    /// A share of one.
    pub(crate) fn one(gauge: &Gauge) -> Self {
        let mut counted = Self::nothing(gauge);
        counted.add(1);
        counted
    }

    /// Makes the share larger.
    pub(crate) fn add(&mut self, more: usize) {
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        self.gauge.inc_by(more);
        self.share = self.share.saturating_add(more);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.dec_by(self.share);
    }
}
