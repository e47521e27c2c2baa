//! Limits on the work of validating a component.
//!
//! Validation is linear in the number of bytes, with a few exceptions in which a file of some kilobytes can take
//! minutes: deep nesting, and many instances of a large component. Each payload is checked here before it is validated,
//! so that every component is accepted or refused within seconds. Real components stay far below these limits.

use wasmparser::{ComponentInstance, Payload};

use super::InspectError;

/// The deepest nesting of components; guests have about five levels.
pub(super) const MAX_DEPTH: usize = 32;

/// The most modules and components in a component, including itself; interpreters have about a hundred.
pub(super) const MAX_PARTS: usize = 2_000;

/// The most component instances, each of which takes up to 90 ms; toolchains make one for each exported interface.
const MAX_COMPONENT_INSTANCES: usize = 64;

/// The most core instances, multiplied by the imports and exports of core modules: each instance may look up each name.
const MAX_CORE_LOOKUPS: usize = 20_000_000;

/// The totals of the payloads so far.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    depth: usize,
    parts: usize,
    component_instances: usize,
    core_instances: usize,
    core_names: usize,
}

impl Bounds {
    /// The nesting depth of the parser: 1 in the outermost component.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Adds a payload to the totals. Fails if they exceed a limit.
    pub(super) fn admit(&mut self, payload: &Payload<'_>) -> Result<(), InspectError> {
        match payload {
            Payload::Version { .. } => {
                self.depth += 1;
                self.parts += 1;
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::ImportSection(section) => self.core_names += section.count() as usize,
            Payload::ExportSection(section) => self.core_names += section.count() as usize,
            Payload::InstanceSection(section) => self.core_instances += section.count() as usize,
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate { .. } = instance? {
                        self.component_instances += 1;
                    }
                    if self.component_instances > MAX_COMPONENT_INSTANCES {
                        break;
                    }
                }
            }
            _ => {}
        }
        let fits = self.depth <= MAX_DEPTH
            && self.parts <= MAX_PARTS
            && self.component_instances <= MAX_COMPONENT_INSTANCES
            && self.core_instances.saturating_mul(self.core_names) <= MAX_CORE_LOOKUPS;
        if fits { Ok(()) } else { Err(InspectError::TooComplex) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn leb(number: usize) -> [u8; 2] {
        [u8::try_from(number & 127).unwrap() | 128, u8::try_from(number >> 7).unwrap()]
    }

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [&[id], leb(content.len()).as_slice(), content].concat()
    }

    #[test]
    fn nesting_is_bounded() {
        let nested =
            |levels| (1..levels).fold(EMPTY.to_vec(), |inner, _| [EMPTY, &section(4, &inner)].concat());
        assert!(inspect(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(inspect(&nested(MAX_DEPTH + 1)), Err(InspectError::TooComplex)));
    }

    #[test]
    fn parts_are_bounded() {
        let with = |modules| {
            let module = section(1, b"\0asm\x01\0\0\0");
            let half = [EMPTY, &module.repeat(modules / 2 - 1)].concat();
            [EMPTY, &section(4, &half), &section(4, &half)].concat()
        };
        assert!(inspect(&with(MAX_PARTS - 2)).is_ok());
        assert!(matches!(inspect(&with(MAX_PARTS)), Err(InspectError::TooComplex)));
    }

    #[test]
    fn instances_are_bounded() {
        let with = |instances: usize| {
            let instances = [leb(instances).as_slice(), &[0, 0, 0].repeat(instances)].concat();
            [EMPTY, &section(4, EMPTY), &section(5, &instances)].concat()
        };
        assert!(inspect(&with(MAX_COMPONENT_INSTANCES)).is_ok());
        assert!(matches!(inspect(&with(MAX_COMPONENT_INSTANCES + 1)), Err(InspectError::TooComplex)));
    }
}
