//! Limits as one place states them: a table of a file, or the flags of a command.
//!
//! Invariants: a value out of bounds or an unknown key is refused while it is read, so that the message has the line.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::{
    limit::{Kind, Limit, Scope, Value},
    values,
};

/// The limits that one place states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatedLimits(BTreeMap<Limit, Value>);

impl StatedLimits {
    /// States a limit. It replaces an earlier value.
    pub fn set(&mut self, limit: Limit, value: Value) {
        self.0.insert(limit, value);
    }

    /// What is stated for a limit.
    pub fn get(&self, limit: Limit) -> Option<Value> {
        self.0.get(&limit).copied()
    }

    /// All that is stated.
    pub fn iter(&self) -> impl Iterator<Item = (Limit, Value)> {
        self.0.iter().map(|(limit, value)| (*limit, *value))
    }

    /// These limits, completed by others.
    #[must_use]
    pub fn or(mut self, others: &Self) -> Self {
        for (limit, value) in others.iter() {
            self.0.entry(limit).or_insert(value);
        }
        self
    }
}

/// The table in which limits are stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    /// `[limits]`
    Defaults,
    /// `[functions.NAME.limits]`
    Function,
    /// `limits` of a scenario.
    Scenario,
}

/// The limits that a scenario has keys of their own for, or that are of all scenarios together.
const NOT_IN_SCENARIOS: [Limit; 5] = [
    Limit::HostBytes,
    Limit::InvocationRetries,
    Limit::ExecutionTimeout,
    Limit::CompileTimeout,
    Limit::CompileMemory,
];

impl Table {
    fn limit<E: Error>(self, key: &str) -> Result<Limit, E> {
        let found = match self {
            Self::Scenario => Limit::of_snake_key(key),
            Self::Defaults | Self::Function => Limit::of_key(key),
        };
        let known = if self == Self::Scenario { Limit::SNAKE_KEYS } else { Limit::KEYS };
        let limit = found.ok_or_else(|| E::unknown_field(key, known))?;
        match self {
            Self::Function if limit.scope() == Scope::Command => Err(E::custom(format_args!(
                "`{key}` is of all that a command runs, not of one function; state it in the table [limits]"
            ))),
            Self::Scenario if matches!(limit, Limit::InvocationRetries | Limit::ExecutionTimeout) => {
                Err(E::custom(format_args!("`{key}` is a key of the scenario itself, beside `limits`")))
            }
            Self::Scenario if NOT_IN_SCENARIOS.contains(&limit) => Err(E::custom(format_args!(
                "`{key}` is of all scenarios together; use --{}, or [limits] of durawasm.toml",
                limit.key()
            ))),
            _ => Ok(limit),
        }
    }
}

/// The table `[limits]` of `durawasm.toml`.
pub(crate) fn defaults<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatedLimits, D::Error> {
    deserializer.deserialize_map(Table::Defaults)
}

/// The table `[functions.NAME.limits]` of `durawasm.toml`.
pub(crate) fn of_function<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatedLimits, D::Error> {
    deserializer.deserialize_map(Table::Function)
}

/// The table `limits` of a scenario, whose keys are written with `_`.
///
/// # Errors
/// When a key or a value is wrong.
pub fn of_scenario<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatedLimits, D::Error> {
    deserializer.deserialize_map(Table::Scenario)
}

impl<'de> Visitor<'de> for Table {
    type Value = StatedLimits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<StatedLimits, A::Error> {
        let mut stated = StatedLimits::default();
        while let Some(limit) = entries.next_key_seed(Key(self))? {
            let value = entries.next_value_seed(Written(limit))?;
            if stated.get(limit).is_some() {
                return Err(A::Error::custom(format_args!("`{}` is stated twice", limit.key())));
            }
            stated.set(limit, value);
        }
        Ok(stated)
    }
}

/// Reads a key. An error of it has the position of the key.
struct Key(Table);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Limit;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Limit, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Limit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a limit")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Limit, E> {
        self.0.limit(key)
    }
}

/// Reads the value of a limit.
struct Written(Limit);

impl<'de> DeserializeSeed<'de> for Written {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        use serde::Deserialize as _;
        match self.0.kind() {
            Kind::Mebibytes(..) | Kind::Number(..) => {
                self.0.number(u64::deserialize(deserializer)?).map_err(D::Error::custom)
            }
            Kind::Time => {
                let time = values::duration(deserializer)?;
                if time.is_zero() {
                    return Err(D::Error::custom("a limit of 0 allows nothing"));
                }
                Ok(Value::Time(time))
            }
            Kind::Timeout => values::timeout(deserializer).map(Value::Timeout),
            Kind::Switch => bool::deserialize(deserializer).map(Value::Switch),
        }
    }
}
