//! The macro that exports functions by name.

/// Exports the functions of a component by name: durable handlers, and plain functions that durable ones invoke.
///
/// ```text
/// durable_handlers! {
///     order,                      // async fn order(event: E, ctx: DurableContext) -> Result<O, Err>
///     "refund-v2" => refunds::run,  // under another name
///     "traced" => (tracing::order, Options::builder().plugin(Tracer::new())), // with options
///     plain rate,                 // async fn rate(event: E) -> Result<O, Err>, or the same without async
///     plain "tax" => taxes::of,
///     "greet" => |name: String, ctx: DurableContext| async move { Ok::<_, BoxError>(name) }, // a closure
/// }
/// ```
///
/// Events are any type that serde deserializes, results any type that it serializes; an `Err` is any type that converts
/// into a [`BoxError`](crate::BoxError). [`Options`](crate::Options), such as plugins, are given next to the function.
/// Names are 1 to 64 characters of `A-Z a-z 0-9 - _`, each used once. Call the macro once in a crate of type `cdylib`,
/// and not together with [`durable_execution`](crate::durable_execution).
///
/// Natively the macro only checks the signatures. For a runner that runs the functions natively, start the list with
/// `pub fn functions;`: it defines a function of that name which returns all of them. The crate then has to be an
/// `rlib` as well.
///
/// # Examples
///
/// ```
/// use durawasm_guest::{BoxError, DurableContext, durable_handlers};
///
/// async fn order(total: u32, ctx: DurableContext) -> Result<u32, BoxError> {
///     Ok(ctx.step(move |_| async move { Ok(total * 2) }).await?)
/// }
///
/// fn rate(currency: String) -> Result<f64, BoxError> {
///     if currency == "EUR" { Ok(1.0) } else { Err("unknown currency".into()) }
/// }
///
/// // Not `pub`, and need not be.
/// #[derive(serde::Deserialize)]
/// struct Guest {
///     name: String,
/// }
///
/// durable_handlers! {
///     /// All functions of this crate.
///     pub fn functions;
///     order,
///     plain "exchange-rate" => rate,
///     "greet" => |guest: Guest, ctx: DurableContext| async move {
///         let greeting = ctx.step(move |_| async move { Ok(format!("hello, {}", guest.name)) }).await?;
///         Ok::<_, BoxError>(greeting)
///     },
///     plain "twice" => |number: u32| Ok::<_, BoxError>(number * 2),
/// }
///
/// assert_eq!(functions().len(), 4);
/// ```
#[macro_export]
macro_rules! durable_handlers {
    ($(#[$meta:meta])* $visibility:vis fn $list:ident; $($functions:tt)*) => {
        $crate::__durable_handlers! { {$(#[$meta])* $visibility fn $list} [] $($functions)* }
    };
    ($($functions:tt)*) => {
        $crate::__durable_handlers! { {} [] $($functions)* }
    };
}

/// Collects the entries, then exports them.
#[doc(hidden)]
#[macro_export]
macro_rules! __durable_handlers {
    // Eight at a time, so that hundreds of handlers stay below the recursion limit of the compiler.
    ({$($list:tt)*} [$($done:tt)*]
        $n1:literal => $f1:path, $n2:literal => $f2:path, $n3:literal => $f3:path, $n4:literal => $f4:path,
        $n5:literal => $f5:path, $n6:literal => $f6:path, $n7:literal => $f7:path, $n8:literal => $f8:path,
        $($rest:tt)+
    ) => {
        $crate::__durable_handlers! {
            {$($list)*} [$($done)*
             (durable, $n1, $f1) (durable, $n2, $f2) (durable, $n3, $f3) (durable, $n4, $f4)
             (durable, $n5, $f5) (durable, $n6, $f6) (durable, $n7, $f7) (durable, $n8, $f8)]
            $($rest)+
        }
    };
    ({$($list:tt)*} [$($done:tt)*]
        $f1:ident, $f2:ident, $f3:ident, $f4:ident, $f5:ident, $f6:ident, $f7:ident, $f8:ident,
        $($rest:tt)+
    ) => {
        $crate::__durable_handlers! {
            {$($list)*} [$($done)*
             (durable, stringify!($f1), $f1) (durable, stringify!($f2), $f2)
             (durable, stringify!($f3), $f3) (durable, stringify!($f4), $f4)
             (durable, stringify!($f5), $f5) (durable, stringify!($f6), $f6)
             (durable, stringify!($f7), $f7) (durable, stringify!($f8), $f8)]
            $($rest)+
        }
    };
    ({$($list:tt)*} [$($done:tt)*] $name:literal => ($function:path, $options:expr $(,)?) $(, $($rest:tt)*)?) => {
        $crate::__durable_handlers! { {$($list)*} [$($done)* (durable, $name, $function, $options)] $($($rest)*)? }
    };
    ({$($list:tt)*} [$($done:tt)*] ($function:ident, $options:expr $(,)?) $(, $($rest:tt)*)?) => {
        $crate::__durable_handlers! {
            {$($list)*} [$($done)* (durable, stringify!($function), $function, $options)] $($($rest)*)?
        }
    };
    ({$($list:tt)*} [$($done:tt)*] plain $name:literal => $function:path $(, $($rest:tt)*)?) => {
        $crate::__durable_handlers! { {$($list)*} [$($done)* (plain, $name, $function)] $($($rest)*)? }
    };
    ({$($list:tt)*} [$($done:tt)*] plain $function:ident $(, $($rest:tt)*)?) => {
        $crate::__durable_handlers! { {$($list)*} [$($done)* (plain, stringify!($function), $function)] $($($rest)*)? }
    };
    ({$($list:tt)*} [$($done:tt)*] $name:literal => $function:path $(, $($rest:tt)*)?) => {
        $crate::__durable_handlers! { {$($list)*} [$($done)* (durable, $name, $function)] $($($rest)*)? }
    };
    ({$($list:tt)*} [$($done:tt)*] $function:ident $(, $($rest:tt)*)?) => {
        $crate::__durable_handlers! { {$($list)*} [$($done)* (durable, stringify!($function), $function)] $($($rest)*)? }
    };
    // Closures.
    ({$($list:tt)*} [$($done:tt)*] $name:literal => ($function:expr, $options:expr $(,)?) $(, $($rest:tt)*)?) => {
        $crate::__durable_handlers! { {$($list)*} [$($done)* (durable, $name, $function, $options)] $($($rest)*)? }
    };
    ({$($list:tt)*} [$($done:tt)*] plain $name:literal => $function:expr $(, $($rest:tt)*)?) => {
        $crate::__durable_handlers! { {$($list)*} [$($done)* (plain, $name, $function)] $($($rest)*)? }
    };
    ({$($list:tt)*} [$($done:tt)*] $name:literal => $function:expr $(, $($rest:tt)*)?) => {
        $crate::__durable_handlers! { {$($list)*} [$($done)* (durable, $name, $function)] $($($rest)*)? }
    };
    ({} [$($entries:tt)*]) => {
        const _: () = {
            $crate::__durable_handlers! { @list {fn functions} [$($entries)*] }
            const _: fn() -> ::std::vec::Vec<$crate::__private::Function> = functions;
        };
    };
    ({$($list:tt)+} [$($entries:tt)*]) => {
        $crate::__durable_handlers! { @list {$($list)+} [$($entries)*] }
    };
    (@list
        {$(#[$meta:meta])* $visibility:vis fn $list:ident}
        [$(($kind:ident, $name:expr, $function:expr $(, $options:expr)?))*]
    ) => {
        $(#[$meta])*
        $visibility fn $list() -> ::std::vec::Vec<$crate::__private::Function> {
            ::std::vec![$(
                $crate::__private::Function::$kind($name, $function)$(.with_options(|| $options))?
            ),*]
        }

        const _: () = $crate::__private::check_names(&[$($name),*]);

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;
            impl $crate::__private::Functions for Component {
                fn functions() -> ::std::vec::Vec<$crate::__private::Function> {
                    $list()
                }
            }
            type Exported = $crate::__private::Exported<Component>;
            $crate::__private::bindings::export!(Exported with_types_in $crate::__private::bindings);
        };
    };
    ({$($list:tt)*} [$($done:tt)*] $($rest:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "expected `function`, `\"name\" => path::to::function`, `\"name\" => |event: E, ctx: DurableContext| async move { .. }`, one of them with options as in `\"name\" => (function, options)`, \
             or one of them after `plain`, separated by commas; found `",
            ::core::stringify!($($rest)+), "`"
        ));
    };
}
