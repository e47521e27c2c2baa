//! A context that is used in the code of another is rejected at once, and the error names both.

use crate::common::{handler, value};
use durawasm_testing::Disturbance;
use serde_json::json;

/// The misuse, and the text that its error contains.
const CASES: [(&str, &str); 8] = [
    ("the parent's in a child", "the execution's own context was used in the context \"payment\""),
    (
        "a future of the parent's in a child",
        "the execution's own context was used in a context without a name",
    ),
    ("a sibling's", "the context \"first\" was used in the context \"second\""),
    ("a child's after its end", "the context \"payment\" is over"),
    ("in a body", "the execution's own context was used in the body of \"charge\""),
    ("the batch's in an item", "the execution's own context was used in the context \"order-0\""),
    ("the batch's in a flat item", "the execution's own context was used in a context without a name"),
    (
        "a combinator of the parent's in a child",
        "the execution's own context was used in the context \"payment\"",
    ),
];

#[tokio::test]
async fn which_context_was_used_where_is_said_on_the_first_run() {
    for (how, expected) in CASES {
        let result = handler("misplaces").run(how).await.unwrap();
        let told = value(&result);
        assert!(told.as_str().unwrap().contains(expected), "{how}: {told}");
        assert!(result.get_operations().iter().all(|o| o.name.as_deref() != Some("misplaced")), "{how}");
    }
}

#[tokio::test]
async fn what_is_meant_to_work_is_not_refused() {
    let runner = || handler("misplaces").answer("outside", "3s", 4).unwrap();
    let straight = runner().run("as it is meant").await.unwrap();
    assert_eq!(value(&straight), json!("11"));
    let replayed =
        runner().disturb(Disturbance::ReplayAtEveryCheckpoint).run("as it is meant").await.unwrap();
    assert_eq!(straight.get_history_events(), replayed.get_history_events());
}
