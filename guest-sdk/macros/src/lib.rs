//! The attribute of `durawasm-guest`. Use it through that crate.

mod attribute;

use proc_macro::TokenStream;

/// Exports an async function as the component's only durable handler.
///
/// ```text
/// #[durable_execution]
/// async fn order(event: Order, ctx: DurableContext) -> Result<Receipt, BoxError> { .. }
/// ```
///
/// The event is any type that serde deserializes, the result any type that it serializes, the error any type that
/// converts into a `BoxError`. The function itself stays unchanged: it can be called natively, in tests, or from
/// another function.
///
/// Arguments: `name = "..."` exports the function under another name; `options = expression` gives it `Options`, such
/// as plugins, and is evaluated at the start of each invocation; `crate = path` is the path of `durawasm-guest` if it
/// was renamed.
///
/// A component has one export. To export several functions use `durable_handlers!` instead, without the attribute.
#[proc_macro_attribute]
pub fn durable_execution(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute::expand(arguments.into(), &item.into()).into()
}
