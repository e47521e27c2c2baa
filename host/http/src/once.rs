//! Requests that are carried out once, though they may be sent again (service model: `ClientToken`).
//!
//! Invariants: a request with the token and the parameters of an earlier one gets the earlier one's answer for 15
//! minutes, also if the earlier client went away; two that arrive together are carried out one after another, and wait for
//! no others. A bounded number of answers is kept, the newest.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use blake2b_simd::blake2b;
use durawasm_core::protocol::Timestamp;
use tokio::sync::Mutex as AsyncMutex;

use super::{
    error::{ApiError, Exception, invalid},
    reply::Reply,
};

/// How long an answer is kept, in milliseconds.
const LIFETIME: i64 = 15 * 60 * 1000;

/// The most answers that are kept.
const MOST: usize = 1000;

/// The longest token (service model: `ClientToken`).
const LONGEST_TOKEN: usize = 64;

/// The answers to requests with tokens.
#[derive(Default)]
pub(crate) struct Once(Mutex<Known>);

#[derive(Default)]
struct Known {
    requests: HashMap<String, Arc<Asked>>,
    /// The keys of the requests, oldest first.
    order: VecDeque<(Timestamp, String)>,
}

struct Asked {
    parameters: [u8; 64],
    at: Timestamp,
    /// The answer, once there is a good one. Locked while the request is carried out.
    reply: AsyncMutex<Option<Reply>>,
}

impl Once {
    /// Carries a request out, unless it was before. `of` is what the request is on, and which operation it is;
    /// `parameters` is all that the request says.
    pub(crate) async fn carry_out(
        &self,
        token: Option<&str>,
        of: &str,
        parameters: &[u8],
        now: Timestamp,
        request: impl Future<Output = Result<Reply, ApiError>> + Send + 'static,
    ) -> Result<Reply, ApiError> {
        let Some(token) = token else { return request.await };
        let good =
            matches!(token.len(), 1..=LONGEST_TOKEN) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !good {
            return invalid(format!("the ClientToken is not 1 to {LONGEST_TOKEN} of printable ASCII"));
        }
        let parameters = *blake2b(parameters).as_array();
        let asked = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.asked(format!("{of} {token}"), parameters, now)
        };
        if asked.parameters != parameters {
            return invalid("the ClientToken was used for a request with other parameters");
        }
        // In a task, so that the answer is known although the client may go away.
        let carried_out = tokio::spawn(async move {
            let mut reply = asked.reply.lock().await;
            if let Some(reply) = &*reply {
                return Ok(reply.clone());
            }
            let good = request.await?;
            *reply = Some(good.clone());
            Ok(good)
        });
        let lost = |_| Err(ApiError::new(Exception::Service, "the request did not end"));
        carried_out.await.unwrap_or_else(lost)
    }
}

impl Known {
    /// The request with this key, or a new one.
    fn asked(&mut self, key: String, parameters: [u8; 64], now: Timestamp) -> Arc<Asked> {
        self.forget(now);
        if let Some(asked) = self.requests.get(&key) {
            return asked.clone();
        }
        let asked = Arc::new(Asked { parameters, at: now, reply: AsyncMutex::default() });
        self.requests.insert(key.clone(), asked.clone());
        self.order.push_back((now, key));
        asked
    }

    fn forget(&mut self, now: Timestamp) {
        let old = |at: Timestamp| now.as_millis().saturating_sub(at.as_millis()) >= LIFETIME;
        while let Some((at, key)) = self.order.front()
            && (old(*at) || self.order.len() >= MOST)
        {
            if self.requests.get(key).is_some_and(|asked| asked.at == *at) {
                self.requests.remove(key);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_token_is_one_request_for_a_quarter_of_an_hour() {
        let (once, calls) = (Once::default(), Arc::new(AtomicU32::new(0)));
        let ask = async |token: Option<&'static str>, parameters: &'static [u8], at: u64| {
            let calls = calls.clone();
            let request = async move {
                calls.fetch_add(1, Ordering::Relaxed);
                Ok(Reply::empty(202))
            };
            let now = Timestamp::Y2025.plus_seconds(at);
            once.carry_out(token, "pause x", parameters, now, request).await.map(drop)
        };
        for (token, parameters, at, good, called) in [
            (Some("t"), b"1".as_slice(), 0, true, 1),
            (Some("t"), b"1", 1, true, 1),
            (Some("t"), b"2", 2, false, 1),
            (Some("u"), b"2", 3, true, 2),
            (None, b"2", 4, true, 3),
            (Some("t"), b"2", 900, true, 4),
            (Some(""), b"2", 900, false, 4),
            (Some("a b"), b"2", 900, false, 4),
        ] {
            assert_eq!(ask(token, parameters, at).await.is_ok(), good, "{token:?} {at}");
            assert_eq!(calls.load(Ordering::Relaxed), called, "{token:?} {at}");
        }
    }
}
