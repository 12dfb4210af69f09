//! The messages of the format. Tags are never reused.

use crate::wire::protobuf::stored_message;

stored_message! {
    OrderV1, OrderRef {
        1 message(optional) snapshot: Option<SnapshotV1>, Option<SnapshotRef<'a>>;
        2 message(optional) created: Option<ToldV1>, Option<ToldRef<'a>>;
        3 message(optional) paid: Option<ToldV1>, Option<ToldRef<'a>>;
        4 message(optional) shipped: Option<ToldV1>, Option<ToldRef<'a>>;
        5 message(optional) delivered: Option<ToldV1>, Option<ToldRef<'a>>;
        6 message(optional) picked_up: Option<ToldV1>, Option<ToldRef<'a>>;
        7 message(optional) completed: Option<ToldV1>, Option<ToldRef<'a>>;
        8 message(optional) cancelled: Option<CancelledV1>, Option<CancelledRef<'a>>;
        9 message(repeated) refunds: Vec<RefundV1>, Vec<RefundRef<'a>>;
        10 message(optional) bound: Option<BoundV1>, Option<BoundRef<'a>>;
        11 sint64(optional) deferred_since: Option<i64>, Option<i64>;
        12 message(optional) issued: Option<IssuedV1>, Option<IssuedRef<'a>>;
        13 uint32(optional) withheld: Option<u32>, Option<u32>;
        14 sint64(optional) due_at: Option<i64>, Option<i64>;
        15 sint64(optional) expected: Option<i64>, Option<i64>;
        16 sint64(optional) last_event: Option<i64>, Option<i64>;
        17 string(optional) promised_to: Option<String>, Option<&'a str>;
        18 int64 promised: i64, i64;
        /// Customers of whom nothing but the id is known.
        19 string(repeated) other_customers: Vec<String>, Vec<&'a str>;
        20 message(repeated) customers: Vec<NamedV1>, Vec<NamedRef<'a>>;
        21 message(repeated) later: Vec<LaterV1>, Vec<LaterRef<'a>>;
        22 message(repeated) withdrawn: Vec<WithdrawnV1>, Vec<WithdrawnRef<'a>>;
        23 message(optional) claim: Option<ClaimV1>, Option<ClaimRef<'a>>;
        /// `withheld` was at a cancellation; left out with the reason `cancelled`.
        24 bool(optional) by_cancellation: Option<bool>, Option<bool>;
        /// What was published as pending, where it is not `expected` at `due_at`; 0: nothing.
        25 sint64(optional) pending: Option<i64>, Option<i64>;
        26 sint64 pending_due_at: i64, i64;
        27 message(optional) again: Option<AgainV1>, Option<AgainRef<'a>>;
        28 message(optional) forecast: Option<SentForecastV1>, Option<SentForecastRef<'a>>;
        32 string(optional) stated_to: Option<String>, Option<&'a str>;
        33 int64 stated: i64, i64;
        34 message(optional) newest: Option<SnapshotV1>, Option<SnapshotRef<'a>>;
        40 uint32 entries: u32, u32;
    }
}

stored_message! {
    ToldV1, ToldRef {
        1 sint64 at: i64, i64;
        /// Event's time less `at`.
        2 sint64 told_after: i64, i64;
        3 string event_id: String, &'a str;
        4 string(optional) traceparent: Option<String>, Option<&'a str>;
    }
}

stored_message! {
    CancelledV1, CancelledRef {
        1 message(optional) told: Option<ToldV1>, Option<ToldRef<'a>>;
        2 bool no_take_back: bool, bool;
        3 bool no_return: bool, bool;
        4 bool after_issue: bool, bool;
        /// Where there are others than that of `told`.
        5 message(repeated) choices: Vec<ChoiceV1>, Vec<ChoiceV1>;
    }
}

stored_message! {
    ChoiceV1 {
        1 sint64 time: i64;
        2 bool no_take_back: bool;
        3 bool no_return: bool;
    }
}

stored_message! {
    /// A telling that counts once an earlier one is withdrawn.
    LaterV1, LaterRef {
        1 uint32 fact: u32, u32;
        2 message(optional) told: Option<ToldV1>, Option<ToldRef<'a>>;
    }
}

stored_message! {
    WithdrawnV1, WithdrawnRef {
        1 uint32 facts: u32, u32;
        2 sint64 time: i64, i64;
        3 string event_id: String, &'a str;
        4 string(optional) traceparent: Option<String>, Option<&'a str>;
    }
}

stored_message! {
    ClaimV1, ClaimRef {
        1 sint64 time: i64, i64;
        2 string event_id: String, &'a str;
        3 string(optional) traceparent: Option<String>, Option<&'a str>;
        4 string member_id: String, &'a str;
        5 string(optional) tier: Option<String>, Option<&'a str>;
    }
}

stored_message! {
    NamedV1, NamedRef {
        1 string id: String, &'a str;
        2 sint64 revision: i64, i64;
        3 string event_id: String, &'a str;
        4 string(optional) tier: Option<String>, Option<&'a str>;
    }
}

stored_message! {
    AgainV1, AgainRef {
        1 sint64 at: i64, i64;
        2 string event_id: String, &'a str;
        3 string(optional) traceparent: Option<String>, Option<&'a str>;
        4 uint32 times: u32, u32;
    }
}

stored_message! {
    RefundV1, RefundRef {
        1 string id: String, &'a str;
        2 sint64 time: i64, i64;
        3 string event_id: String, &'a str;
        4 message(repeated) lines: Vec<RefundLineV1>, Vec<RefundLineRef<'a>>;
        5 message(optional) amount: Option<AmountV1>, Option<AmountV1>;
        6 bool no_take_back: bool, bool;
        7 bool no_return: bool, bool;
        8 bool after_issue: bool, bool;
    }
}

stored_message! {
    RefundLineV1, RefundLineRef {
        1 string id: String, &'a str;
        /// Whole units; others are in `quantity_exact`.
        2 uint32 quantity: u32, u32;
        3 message(optional) quantity_exact: Option<AmountV1>, Option<AmountV1>;
    }
}

stored_message! {
    /// `units / 10^scale`; amounts have at most 18 digits.
    AmountV1 {
        1 sint64 units: i64;
        2 uint32 scale: u32;
    }
}

stored_message! {
    SnapshotV1, SnapshotRef {
        1 sint64 revision: i64, i64;
        2 string event_id: String, &'a str;
        3 sint64(optional) created_at: Option<i64>, Option<i64>;
        4 string channel: String, &'a str;
        5 string(optional) currency: Option<String>, Option<&'a str>;
        6 string(optional) customer_id: Option<String>, Option<&'a str>;
        7 bool logged_in: bool, bool;
        8 string(optional) tier: Option<String>, Option<&'a str>;
        9 message(repeated) lines: Vec<LineV1>, Vec<LineRef<'a>>;
        10 message(optional) subtotal: Option<AmountV1>, Option<AmountV1>;
        11 message(optional) discount_total: Option<AmountV1>, Option<AmountV1>;
        12 message(optional) store_credit: Option<AmountV1>, Option<AmountV1>;
        13 message(optional) shipping_total: Option<AmountV1>, Option<AmountV1>;
        14 message(optional) tax_total: Option<AmountV1>, Option<AmountV1>;
        15 message(optional) surcharge_total: Option<AmountV1>, Option<AmountV1>;
        16 sint64 points_redeemed: i64, i64;
        17 message(optional) points_redeemed_amount: Option<AmountV1>, Option<AmountV1>;
        18 uint32 delivery: u32, u32;
        19 bool test: bool, bool;
        /// There are lines, and none of them.
        20 bool no_lines: bool, bool;
        21 string(optional) points_redeemed_by: Option<String>, Option<&'a str>;
        22 bool prices_include_tax: bool, bool;
        23 string(optional) payment_method: Option<String>, Option<&'a str>;
    }
}

stored_message! {
    LineV1, LineRef {
        1 string id: String, &'a str;
        /// Whole units; others are in `quantity_exact`.
        2 uint32 quantity: u32, u32;
        3 message(optional) unit_price: Option<AmountV1>, Option<AmountV1>;
        4 message(optional) discount_total: Option<AmountV1>, Option<AmountV1>;
        5 message(optional) quantity_exact: Option<AmountV1>, Option<AmountV1>;
        6 message(optional) tax_total: Option<AmountV1>, Option<AmountV1>;
        7 string(optional) sku: Option<String>, Option<&'a str>;
        8 string(optional) product_id: Option<String>, Option<&'a str>;
        9 string(repeated) categories: Vec<String>, Vec<&'a str>;
        10 string(optional) brand: Option<String>, Option<&'a str>;
        11 string(repeated) tags: Vec<String>, Vec<&'a str>;
    }
}

stored_message! {
    BoundV1, BoundRef {
        1 uint32(optional) version: Option<u32>, Option<u32>;
        2 sint64 created_at: i64, i64;
        3 string(optional) redeemer: Option<String>, Option<&'a str>;
        /// Points last asked for by a snapshot; left out where they are those of the snapshot
        /// kept, and where a version before this wrote the state.
        4 sint64(optional) redeemed: Option<i64>, Option<i64>;
    }
}

stored_message! {
    IssuedV1, IssuedRef {
        1 sint64 at: i64, i64;
        2 string member_id: String, &'a str;
        3 string(optional) tier: Option<String>, Option<&'a str>;
        4 sint64 points: i64, i64;
        5 sint64 kept: i64, i64;
        6 uint32 parts: u32, u32;
        7 message(repeated) bonuses: Vec<GivenV1>, Vec<GivenRef<'a>>;
        8 sint64(optional) kept_before: Option<i64>, Option<i64>;
        /// By the member's ledger, which found out which of these it was.
        9 message(repeated) by_member: Vec<PossibleIssueV1>, Vec<PossibleIssueRef<'a>>;
    }
}

stored_message! {
    PossibleIssueV1, PossibleIssueRef {
        1 string(optional) tier: Option<String>, Option<&'a str>;
        /// 0: none, 1: day, 2: month.
        2 uint32 birthday: u32, u32;
        3 bool first_order: bool, bool;
        4 string(repeated) bonuses: Vec<String>, Vec<&'a str>;
    }
}

stored_message! {
    SentForecastV1, SentForecastRef {
        1 string member_id: String, &'a str;
        2 sint64 due_at: i64, i64;
        3 int64 digest: i64, i64;
    }
}

stored_message! {
    GivenV1, GivenRef {
        1 string bonus_id: String, &'a str;
        2 sint64 points: i64, i64;
        3 sint64 kept: i64, i64;
        4 sint64(optional) kept_before: Option<i64>, Option<i64>;
    }
}
