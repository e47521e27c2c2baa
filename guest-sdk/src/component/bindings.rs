//! The imports and exports of the world `handler`, generated from the WIT package.

wit_bindgen::generate!({
    path: "../wit",
    world: "handler",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "durawasm_guest::__private::bindings",
});
