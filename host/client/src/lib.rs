//! A client of the AWS Lambda durable execution API: of `durawasm serve`, of AWS, and of any other endpoint that
//! implements it.
//!
//! ```no_run
//! use durawasm_client::{Access, Client, Endpoint, Followed};
//! use durawasm_core::protocol::FunctionName;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::parse("http://127.0.0.1:9001")?;
//! let access = Access::from_variables(&endpoint, |name| std::env::var(name).ok())?;
//! let client = Client::new(endpoint, access)?;
//! let arn = client.start(&FunctionName::new("order"), Some("o-1"), "{}").await?;
//! let mut followed = Followed::new(client, arn);
//! followed.to_the_end().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! - a request goes to the endpoint and nowhere else: no redirect is followed;
//! - a request is sent once, unless its caller has it [`repeated`]. [`Followed`] repeats only requests that read;
//! - what an answer can make the process keep, and every wait for one, has a bound;
//! - no message and no `Debug` text contains a secret. What the endpoint says is not made safe to show here.

mod access;
mod call;
mod client;
mod endpoint;
mod error;
mod events;
mod followed;
mod refusal;
mod repeats;
mod sign;
mod transport;
mod types;

pub use access::{Access, AccessError, SigningKey};
pub use client::Client;
pub use endpoint::{Endpoint, EndpointError};
pub use error::{ClientError, Problem};
pub use followed::{Followed, Intervals};
pub use repeats::repeated;
pub use types::{
    ClockState, Execution, HistoryPage, Invocation, Invoked, ListQuery, ListedExecution, PauseDetails, Rest,
    Status,
};
