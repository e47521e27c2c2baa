//! The access keys that may sign requests.

use std::{collections::HashMap, fmt};

/// Access keys: ids, and the secret of each. The secrets are not shown.
#[derive(Clone, Default)]
pub struct AccessKeys(HashMap<String, String>);

/// Why access keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There are none, so nobody could send a request.
    #[error("there is no access key: nobody could send a request")]
    None,
    /// An id is not one.
    #[error("the access key id {0:?} is not 16 to 128 of A-Z a-z 0-9")]
    Id(String),
    /// A secret can be guessed.
    #[error("the secret of the access key {0} has less than 16 characters, or others than printable ASCII")]
    Secret(String),
}

impl AccessKeys {
    /// Checks keys: ids of 16 to 128 letters and digits, secrets of 16 characters or more.
    ///
    /// # Errors
    /// When one is not valid, or there are none.
    pub fn new(keys: impl IntoIterator<Item = (String, String)>) -> Result<Self, KeyError> {
        let keys: HashMap<String, String> = keys.into_iter().collect();
        for (id, secret) in &keys {
            if !(matches!(id.len(), 16..=128) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
                return Err(KeyError::Id(id.clone()));
            }
            if secret.len() < 16 || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(KeyError::Secret(id.clone()));
            }
        }
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self(keys)) }
    }

    pub(crate) fn secret(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_and_secrets_are_not_shown() {
        let (id, secret) = ("AKIDEXAMPLE00001", "sixteen-letters!");
        let keys = |id: &str, secret: &str| AccessKeys::new([(id.to_owned(), secret.to_owned())]);
        let good = keys(id, secret).unwrap();
        assert_eq!((good.secret(id), good.secret("other")), (Some(secret), None));
        assert_eq!(format!("{good:?}"), format!("{{{id:?}}}"));
        assert_eq!(keys("short", secret).unwrap_err(), KeyError::Id("short".into()));
        assert_eq!(keys(id, "short").unwrap_err(), KeyError::Secret(id.into()));
        assert_eq!(AccessKeys::new([]).unwrap_err(), KeyError::None);
    }
}
