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
/// The event is anything that serde reads, the result anything it writes, the error whatever turns into a `BoxError`.
/// The function itself stays as it is: callable natively, in tests, or from another function.
///
/// Arguments: `name = "..."` exports it under another name than its own; `options = expression` gives it `Options`,
/// such as plugins, and is evaluated at the beginning of each invocation; `crate = path` says where `durawasm-guest` is
/// found if it was renamed.
///
/// A component has one export. For several functions use `durable_handlers!` instead, without the attribute.
#[proc_macro_attribute]
pub fn durable_execution(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute::expand(arguments.into(), &item.into()).into()
}
