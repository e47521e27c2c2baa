//! The expansion of `#[durable_execution]`.
//!
//! Invariants: the function itself is passed on unchanged, also next to an error, so that the compiler reports no
//! errors that only follow from a missing function.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, FnArg, ItemFn, LitStr, Path, Result, ReturnType, Type};

/// The function, followed by its export or by the errors in it.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let export = export(arguments, item.clone()).unwrap_or_else(Error::into_compile_error);
    quote! { #item #export }
}

fn export(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let span = item.span();
    let function: ItemFn = syn::parse2(item).map_err(|_| {
        Error::new(span, "#[durable_execution] goes on a function: async fn(event: E, ctx: DurableContext) -> Result<O, Err>")
    })?;
    let Arguments { name, krate, options } = parse_arguments(arguments)?;
    check(&function)?;
    let ident = &function.sig.ident;
    let name = name.unwrap_or_else(|| LitStr::new(&ident.to_string(), ident.span()));
    let krate = krate.map_or_else(|| quote!(::durawasm_guest), |path| quote!(#path));
    let function = options.map_or_else(|| quote!(#ident), |options| quote!((#ident, #options)));
    Ok(quote_spanned! {ident.span()=> #krate::durable_handlers! { #name => #function } })
}

#[derive(Default)]
struct Arguments {
    name: Option<LitStr>,
    krate: Option<Path>,
    options: Option<Expr>,
}

fn parse_arguments(arguments: TokenStream) -> Result<Arguments> {
    let mut parsed = Arguments::default();
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("name") {
            let name: LitStr = meta.value()?.parse()?;
            let value = name.value();
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if !(1..=64).contains(&value.len()) || !value.chars().all(allowed) {
                return Err(Error::new(
                    name.span(),
                    "a function's name is 1 to 64 characters of A-Z a-z 0-9 - _",
                ));
            }
            parsed.name = Some(name);
            Ok(())
        } else if meta.path.is_ident("crate") {
            let value = meta.value()?;
            // A path in quotes, as other macros take it, is accepted as well.
            parsed.krate =
                Some(if value.peek(LitStr) { value.parse::<LitStr>()?.parse()? } else { value.parse()? });
            Ok(())
        } else if meta.path.is_ident("options") {
            parsed.options = Some(meta.value()?.parse()?);
            Ok(())
        } else {
            Err(meta.error(
                "unknown argument: #[durable_execution] takes `name = \"...\"`, `options = expression` and `crate = path`",
            ))
        }
    });
    syn::parse::Parser::parse2(parser, arguments)?;
    Ok(parsed)
}

/// Reports all errors in the signature, each at its location.
fn check(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    let mut problems: Vec<Error> = Vec::new();
    if signature.asyncness.is_none() {
        problems.push(Error::new(signature.fn_token.span, "a durable handler is an `async fn`"));
    }
    if !signature.generics.params.is_empty() {
        let generics = &signature.generics;
        problems.push(Error::new(
            generics.span(),
            "a durable handler has no generic parameters: it is called by name",
        ));
    }
    if let Some(unsafety) = &signature.unsafety {
        problems.push(Error::new(unsafety.span, "a durable handler is not `unsafe`"));
    }
    let mut inputs = signature.inputs.iter();
    match (inputs.next(), inputs.next(), inputs.next()) {
        (Some(FnArg::Typed(_)), Some(FnArg::Typed(ctx)), None) => {
            if let Type::Reference(reference) = &*ctx.ty {
                let message = "the context is taken by value: `ctx: DurableContext`";
                problems.push(Error::new(reference.span(), message));
            }
        }
        (Some(FnArg::Receiver(receiver)), ..) => {
            problems.push(Error::new(receiver.span(), "a durable handler is a free function, without `self`"));
        }
        _ => problems.push(Error::new(
            signature.paren_token.span.join(),
            format!(
                "a durable handler has two arguments, the event and the context: `(event: E, ctx: DurableContext)`; this \
                 one has {}",
                signature.inputs.len()
            ),
        )),
    }
    if matches!(signature.output, ReturnType::Default) {
        problems.push(Error::new(
            signature.paren_token.span.close(),
            "a durable handler returns a result: `-> Result<O, Err>`",
        ));
    }
    match problems.into_iter().reduce(|mut all, problem| {
        all.combine(problem);
        all
    }) {
        Some(all) => Err(all),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(arguments: TokenStream, item: TokenStream) -> String {
        export(arguments, item)
            .unwrap_err()
            .into_iter()
            .map(|error| error.to_string())
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn a_handler_is_exported_under_its_name() {
        let handler = quote! { pub async fn order(event: Order, ctx: DurableContext) -> Result<(), BoxError> { Ok(()) } };
        let expected = quote! { ::durawasm_guest::durable_handlers! { "order" => order } };
        assert_eq!(export(quote!(), handler.clone()).unwrap().to_string(), expected.to_string());
        let expected = quote! { durable::durable_handlers! { "o-1" => order } };
        let arguments = quote!(name = "o-1", crate = durable);
        assert_eq!(export(arguments, handler.clone()).unwrap().to_string(), expected.to_string());
        let expected = quote! { ::durawasm_guest::durable_handlers! { "order" => (order, options(1, 2)) } };
        let arguments = quote!(options = options(1, 2));
        assert_eq!(export(arguments, handler.clone()).unwrap().to_string(), expected.to_string());
        assert!(expand(quote!(nonsense), &handler).to_string().starts_with(&handler.to_string()));
    }

    #[test]
    fn errors_in_a_signature_are_reported() {
        let wrong = error(quote!(), quote! { fn order(event: Order) {} });
        assert!(wrong.contains("`async fn`"), "{wrong}");
        assert!(wrong.contains("this one has 1"), "{wrong}");
        assert!(wrong.contains("returns a result"), "{wrong}");
        let wrong = error(quote!(), quote! { async fn order(&self, ctx: DurableContext) -> R {} });
        assert!(wrong.contains("without `self`"), "{wrong}");
        let wrong = error(quote!(), quote! { async fn order<T>(event: T, ctx: &DurableContext) -> R {} });
        assert!(wrong.contains("no generic parameters") && wrong.contains("by value"), "{wrong}");
        assert!(error(quote!(), quote! { struct Order; }).contains("goes on a function"));
    }

    #[test]
    fn errors_in_an_argument_are_reported() {
        let handler =
            quote! { async fn order(event: Order, ctx: DurableContext) -> Result<(), BoxError> { Ok(()) } };
        assert!(error(quote!(nam = "x"), handler.clone()).contains("takes `name"));
        assert!(error(quote!(name = "a b"), handler).contains("1 to 64 characters"));
    }
}
