//! Uses of contexts in the wrong place.

use std::sync::{Arc, Mutex, PoisonError};

use durawasm_guest::builders::map_parallel::NestingMode;
use durawasm_guest::{BoxError, DurableContext, DurableFuture};

fn step(ctx: &DurableContext) -> DurableFuture<u32> {
    ctx.step(|_| async { Ok(1) }).name("misplaced").future()
}

/// Event: which misuse. Result: the error with which the operation is rejected.
pub async fn misplaces(how: String, ctx: DurableContext) -> Result<String, BoxError> {
    let outer = ctx.clone();
    let refused = match how.as_str() {
        "the parent's in a child" => {
            let child = ctx.run_in_child_context(move |_| async move { Ok(told(step(&outer).await)) });
            child.name("payment").await?
        }
        "a future of the parent's in a child" => {
            let future = step(&ctx);
            ctx.run_in_child_context(move |_| async move { Ok(told(future.await)) }).await?
        }
        "a sibling's" => {
            let kept = Arc::new(Mutex::new(None));
            let keeps = Arc::clone(&kept);
            let first = ctx.run_in_child_context(move |first| async move {
                keeps.lock().unwrap_or_else(PoisonError::into_inner).replace(first.clone());
                // It stays open until the other has ended.
                first.wait(std::time::Duration::from_secs(5)).await?;
                Ok(String::new())
            });
            let second = ctx.run_in_child_context(move |_| async move {
                let first = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok(told(step(&first.ok_or("the first has not begun")?).await))
            });
            let (first, second) = tokio::join!(first.name("first").future(), second.name("second").future());
            first?;
            second?
        }
        "a child's after its end" => {
            let kept = ctx.run_in_child_context(move |child| async move {
                KEPT.lock().unwrap_or_else(PoisonError::into_inner).replace(child);
                Ok(())
            });
            kept.name("payment").await?;
            let child = KEPT.lock().unwrap_or_else(PoisonError::into_inner).take();
            match child {
                Some(child) => told(step(&child).await),
                // A replay does not run the child.
                None => String::new(),
            }
        }
        "in a body" => {
            let body = ctx.step(move |_| async move { Ok(told(step(&outer).await)) });
            body.name("charge").await?
        }
        "the batch's in an item" => {
            let items = ctx.map(vec![1], move |_, _, _| {
                let outer = outer.clone();
                async move { Ok(told(step(&outer).await)) }
            });
            items.name("orders").item_namer(|n| format!("order-{n}")).await?.concat()
        }
        "the batch's in a flat item" => {
            let items = ctx.map(vec![1], move |_, _, _| {
                let outer = outer.clone();
                async move { Ok(told(step(&outer).await)) }
            });
            items.nesting(NestingMode::Flat).await?.concat()
        }
        "a combinator of the parent's in a child" => {
            let child = ctx.run_in_child_context(move |child| async move {
                let placed = child.step(|_| async { Ok(1) }).name("placed").future();
                let inputs = [step(&outer), placed];
                Ok(told(child.race(inputs).await))
            });
            child.name("payment").await?
        }
        "as it is meant" => {
            let future = step(&ctx);
            let spawned = ctx.step(|_| async { Ok(2) }).spawn();
            let callback = ctx.create_callback::<u32>().name("outside").await?;
            let child = ctx.run_in_child_context(|child| async move {
                let inner = child.clone();
                let nested = child.run_in_child_context(|_| async { Ok(3) });
                let raced = inner.race([step(&inner), step(&child)]);
                Ok(nested.await? + raced.await? + callback.result().await?)
            });
            format!("{}", child.await? + future.await? + spawned.await?)
        }
        _ => return Err("there is no such misuse".into()),
    };
    Ok(refused)
}

static KEPT: Mutex<Option<DurableContext>> = Mutex::new(None);

fn told<T>(outcome: Result<T, durawasm_guest::OperationError>) -> String {
    outcome.err().map_or_else(|| "started".to_owned(), |error| format!("{error:#}"))
}
