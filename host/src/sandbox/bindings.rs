//! The host's side of `wit/`, generated.
#![allow(clippy::pedantic, reason = "generated; the WIT documents it")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "handler",
    with: {
        "wasi:io/poll": wasmtime_wasi::p2::bindings::io::poll,
        "durawasm:durable/operations.context": super::resources::Context,
        "durawasm:durable/operations.step": super::resources::Step,
        "durawasm:durable/operations.wait": super::resources::Wait,
        "durawasm:durable/operations.callback": super::resources::Callback,
        "durawasm:durable/operations.chained-invoke": super::resources::ChainedInvoke,
        "durawasm:durable/operations.child-context": super::resources::ChildContext,
        "durawasm:durable/operations.condition": super::resources::Condition,
    },
    imports: {
        "durawasm:durable/checkpointing.flush": async | trappable,
        "durawasm:durable/operations.[method]step.enter": async | trappable,
        "durawasm:durable/operations.[method]step.succeed": async | trappable,
        "durawasm:durable/operations.[method]step.fail": async | trappable,
        "durawasm:durable/operations.[method]step.retry": async | trappable,
        "durawasm:durable/operations.[method]child-context.succeed": async | trappable,
        "durawasm:durable/operations.[method]child-context.fail": async | trappable,
        "durawasm:durable/operations.[method]condition.enter": async | trappable,
        "durawasm:durable/operations.[method]condition.succeed": async | trappable,
        "durawasm:durable/operations.[method]condition.fail": async | trappable,
        "durawasm:durable/operations.[method]condition.continue": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});
