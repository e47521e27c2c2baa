//! The types of the workflow's event, answer and result.

use durawasm_guest::TypedError;
use serde::{Deserialize, Serialize};

/// The event: an order that a customer has placed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The order's number. Every request to another system contains it, so that a repeated request has no second
    /// effect.
    pub id: String,
    /// Who ordered.
    pub customer: String,
    /// What was ordered.
    pub items: Vec<Item>,
    /// The token of the customer's card. The simulated gateway in `shop.rs` knows a few that cause errors.
    pub card: String,
}

/// One line of an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Item {
    /// The article's number.
    pub sku: String,
    /// How many: 1 to 100.
    pub quantity: u32,
    /// The price of one, in cents.
    pub price_cents: u32,
}

impl Order {
    /// Checks what the types do not guarantee.
    ///
    /// # Errors
    /// An error of type `InvalidOrder` that names every invalid field and the reason.
    pub fn validate(&self) -> Result<(), TypedError> {
        let mut problems = Vec::new();
        for (field, value) in [("id", &self.id), ("customer", &self.customer), ("card", &self.card)] {
            if value.trim().is_empty() {
                problems.push(format!("{field} is empty"));
            }
        }
        if self.items.is_empty() {
            problems.push("items is empty: there is nothing to ship".to_owned());
        }
        for (i, item) in self.items.iter().enumerate() {
            if item.sku.trim().is_empty() {
                problems.push(format!("items[{i}].sku is empty"));
            }
            if !(1..=100).contains(&item.quantity) {
                problems.push(format!("items[{i}].quantity is {}, not 1 to 100", item.quantity));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(TypedError::with_type("InvalidOrder", problems.join("; ")))
        }
    }

    /// The total, in cents.
    #[must_use]
    pub fn total_cents(&self) -> u64 {
        self.items.iter().map(|item| u64::from(item.quantity) * u64::from(item.price_cents)).sum()
    }
}

/// The answer of the person who is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approval {
    /// Whether the parcel may be shipped.
    pub approved: bool,
    /// Who decided.
    pub by: String,
}

/// The result. A cancelled order is a result too, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// Paid and on its way.
    Shipped {
        /// The order's number.
        order: String,
        /// The carrier's number of the parcel.
        tracking: String,
        /// What was paid, in cents.
        paid_cents: u64,
        /// Who approved.
        approved_by: String,
    },
    /// Nothing is shipped, nothing is reserved, nothing is paid.
    Cancelled {
        /// The order's number.
        order: String,
        /// Why, for a person.
        reason: String,
    },
}
