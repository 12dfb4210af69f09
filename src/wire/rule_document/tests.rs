use super::*;
use crate::domain::rules::model::*;

pub const SMALL: &str = "\
shop_id: acme
version: 1
effective_from: 2021-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
accrual:
  rate: {every: 100, points: 1}
";

const FULL: &str = r#"
labels: {owner: crm, level: 3}
x-ticket: [a, null, true]
shop_id: acme
version: 3
effective_from: 2022-03-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
enabled: false
on_disable: stop
channels: [online, pos]
require_login: false
accrual:
  x-why: because
  enabled: false
  base: {include_shipping: true, include_tax: true, include_surcharge: true,
         subtract_discounts: false, subtract_store_credit: false, subtract_points_redeemed: false,
         exclude: {skus: [CARD, 0042], products: [p-1], categories: [gift-card], brands: [acme], tags: [new]}}
  not_when: [store_credit, discounted]
  min_order: 99.90
  threshold: {at_least: 1000.50, percent: "10", rounding: half_up}
  tiers:
    gold: {rate: {every: "50", points: 10, rounding: up}, expiry: {after_days: 5}, x-a/b: 1}
    v.i.p: {threshold: {at_least: "5", points: 2, cumulative: false}, redemption: {points: 1, amount: 2}}
bonuses:
  - id: tea-weekend
    x-note: [spring]
    when:
      between: [2022-11-05T00:00:00+08:00, 2022-11-07T00:00:00.5+08:00]
      days_of_week: [sun, sat]
      days_of_month: [15, 1]
      hours: ["22:00", 02:00:30]
      channels: [online]
      payment_methods: [credit_card]
      min_order: "500"
    items: {include: {categories: [tea], x-a: 1}, exclude: {skus: [OLD]}, min_quantity: "1.5", min_amount: 50}
    gives: {multiplier: "1.50"}
    instead: true
    group: spring
    expiry: {after_days: 30, round_up_to: half_year, at: 24:00}
  - {id: rate, items: {}, gives: {rate: {every: 10, points: 2, rounding: up}}, expiry: {round_up_to: year, at: 23:59:59}}
  - {id: points, when: {hours: [00:00, 24:00], tiers: [], first_order: false}, gives: {points: 50}, limits: null}
  - {id: each, gives: {points_each: 10}, limits: {}}
caps: {per_order: null, per_member: []}
tiers: null
issuance:
  on: paid_and_shipped
  delay_days: 3
  at: 09:30
  or_on_completed: true
  by_channel: {pos: {on: paid, delay_days: 0}}
  apply_to_open_orders: true
  while_resting: defer
  resting_exempt_channels: [pos]
expiry: {yearly: 12-31, at: 00:00, bind: order}
reversal:
  before_issue: {cancel: none, refund: full}
  after_issue: {cancel: proportional, refund: full, edit: adjust}
  when_short: negative
  redeemed: none
redemption: {points: 10, amount: "0.50", max_percent: 30, min_order: 1000, per: {amount: 1000, points: 100}, min_payable: 1,
  digits: 0, min_points: 20, max_points: 500, step: 10, exclude: {tags: [sale]}}
gifts:
  registration: {points: 100, expiry: {after_months: 12}}
  birthday: {points: 50, on: day, at: "08:00", expiry: {never: true}}
notices: {expiring_days_before: [30, 7], at: 10:00, tier_expiring_days_before: []}
"#;

pub fn one(text: &str) -> Result<RuleVersion, Vec<RuleError>> {
    let mut documents = read_yaml(text);
    assert_eq!(documents.len(), 1);
    documents.remove(0).read
}

#[test]
fn what_is_left_out_has_a_default() {
    let rules = one(SMALL).unwrap();
    assert_eq!(rules.channels, Channels::All);
    assert_eq!(
        rules.currency,
        Currency {
            code: "TWD".into(),
            digits: 2
        }
    );
    assert!(rules.enabled && rules.require_login && rules.accrual.enabled);
    let Earning::Rate { rounding, .. } = rules.accrual.earning else {
        panic!("a rate")
    };
    assert_eq!(rounding, Rounding::PerUnit);
    let terms = IssuanceTerms {
        on: Trigger::Delivered,
        delay_days: 0,
        at: DueAt::SameTime,
    };
    assert_eq!(rules.issuance.terms, terms);
    assert_eq!(rules.expiry.expiry.span, ExpirySpan::Never);
    assert_eq!(rules.expiry.expiry.at.to_string(), "23:59");
    assert_eq!(rules.redemption, None);
    assert_eq!(rules.gifts, Gifts::default());
    assert!(rules.notices.expiring_days_before.is_empty());
}

#[test]
fn everything_is_read_and_written_back() {
    let rules = one(FULL).unwrap();
    assert_eq!(
        rules.expiry.expiry.span,
        ExpirySpan::Yearly { month: 12, day: 31 }
    );
    assert_eq!(rules.expiry.expiry.at.to_string(), "00:00");
    let pos = IssuanceTerms {
        on: Trigger::Paid,
        delay_days: 0,
        at: rules.issuance.terms.at,
    };
    assert_eq!(rules.issuance.by_channel["pos"], pos);
    assert_eq!(rules.annotations["/labels"], r#"{"level":3,"owner":"crm"}"#);
    assert_eq!(rules.annotations["/accrual/x-why"], r#""because""#);
    assert_eq!(rules.annotations["/accrual/tiers/gold/x-a~1b"], "1");
    assert_eq!(rules.annotations["/bonuses/0/x-note"], r#"["spring"]"#);
    assert_eq!(rules.annotations["/bonuses/0/items/include/x-a"], "1");
    bonuses_are_read(&rules.bonuses);
    for text in [FULL, SMALL] {
        let rules = one(text).unwrap();
        let json = to_json(&rules);
        assert_eq!(
            read_json(&serde_json::from_str(&json).unwrap()),
            Ok(rules.clone()),
            "{json}"
        );
        assert_eq!(one(&json), Ok(rules), "JSON is YAML too");
    }
}

fn bonuses_are_read(bonuses: &[Bonus]) {
    let [tea, rate, points, each] = bonuses else {
        panic!("{bonuses:?}")
    };
    assert_eq!(tea.when.days_of_week, [DayOfWeek::Sun, DayOfWeek::Sat]);
    let hours = tea.when.hours.unwrap();
    assert_eq!([hours.start, hours.end].map(|at| at.seconds()), [79_200, 7_230]);
    assert_eq!(
        tea.when.between.unwrap().start,
        Instant::parse("2022-11-04T16:00:00Z").unwrap()
    );
    assert_eq!(tea.items.as_ref().unwrap().include.categories, ["tea"]);
    assert_eq!(tea.gives, Gives::Multiplier("1.50".parse().unwrap()));
    assert!(tea.instead && tea.group.as_deref() == Some("spring"));
    let expiry = tea.expiry.unwrap();
    assert_eq!(
        (expiry.span, expiry.round_up_to),
        (ExpirySpan::AfterDays(30), Some(RoundUpTo::HalfYear))
    );
    assert_eq!(expiry.at.to_string(), "24:00");
    assert_eq!(rate.expiry.unwrap().span, ExpirySpan::OfIssue);
    assert_eq!(
        (rate.items.clone(), each.items.clone()),
        (Some(Items::default()), None)
    );
    assert_eq!(
        (points.gives, each.gives),
        (Gives::Points(50), Gives::PointsEach(10))
    );
    assert_eq!((points.limits, each.limits), (None, None));
}

#[test]
fn a_file_holds_several_documents() {
    let text = format!("{SMALL}---\n{SMALL}---\nshop_id: 3\n...\n");
    let documents = read_yaml(&text);
    assert_eq!(documents.iter().map(|d| d.line).collect::<Vec<_>>(), [1, 9, 17]);
    assert_eq!(
        documents.iter().map(|d| d.read.is_ok()).collect::<Vec<_>>(),
        [true, true, false]
    );
    assert_eq!(read_yaml("# nothing\n---\n"), []);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let check = |from: &str, to: &str, wanted: &str| {
        let text = FULL.trim_start().replacen(from, to, 1);
        assert_ne!(text, FULL.trim_start(), "{from}");
        let errors = one(&text).unwrap_err();
        let texts: Vec<String> = errors
            .iter()
            .map(|e| format!("{}: {}: {}", e.line, e.field, e.wrong))
            .collect();
        assert!(texts.iter().any(|text| text == wanted), "{wanted}\n{texts:#?}");
        assert!(errors.iter().all(|e| !e.remedy.is_empty()));
    };
    check("shop_id: acme", "shop: acme", "3: shop: is not known");
    check("shop_id: acme", "shop: acme", "1: shop_id: is missing");
    check("version: 3", "version: 0", "4: version: 0 is not such a number");
    check(
        "version: 3",
        "version: 1.5",
        "4: version: 1.5 is not such a number",
    );
    check(
        "+08:00",
        "",
        "5: effective_from: 2022-03-01T00:00:00 is not an RFC 3339 time",
    );
    check("Asia/Taipei", "Taipei", "6: timezone: Taipei is not a time zone");
    check("TWD", "NTD", "7: currency: NTD is not a currency");
    check("enabled: false", "enabled: no", "8: enabled: no is not known");
    check("[online, pos]", "online", "10: channels: is not a list");
    check(
        "1000.50",
        "1e3",
        "20: accrual.threshold.at_least: 1e3 is not a decimal number",
    );
    check(
        "1000.50",
        "-1",
        "20: accrual.threshold.at_least: must not be negative",
    );
    check(
        "rounding: half_up",
        "rounding: per_unit",
        "20: accrual.threshold.rounding: per_unit is not known",
    );
    check(
        "every: \"50\"",
        "every: 0",
        "22: accrual.tiers.gold.rate.every: must not be 0",
    );
    check(
        "after_days: 5",
        "after_weeks: 5",
        "22: accrual.tiers.gold.expiry.after_weeks: is not known",
    );
    check(
        "at: 09:30",
        "at: 9:30",
        "48: issuance.at: 9:30 is not a time of day",
    );
    check(
        "at: 09:30",
        "at: 24:00",
        "48: issuance.at: 24:00 is not a time of day",
    );
    check(
        "12-31",
        "02-30",
        "54: expiry.yearly: 02-30 is not a month and day",
    );
    check(
        "max_percent: 30",
        "max_percent: 101",
        "60: redemption.max_percent: is more than 100",
    );
    check(
        "[30, 7]",
        "[7, 7]",
        "65: notices.expiring_days_before: 7 stands here twice",
    );
    check("notices:", "gifts:", "65: gifts: stands here twice");
    check(
        "[30, 7]",
        "[30, 7",
        "66: document: not YAML: while parsing a flow sequence, expected ',' or ']'",
    );
}

#[test]
fn sections_that_contradict_themselves() {
    let check = |add: &str, field: &str| {
        let errors = one(&format!("{SMALL}{add}")).unwrap_err();
        assert_eq!(
            errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(),
            [field],
            "{add}"
        );
    };
    check("  threshold: {at_least: 1, points: 1}\n", "accrual.threshold");
    check(
        "expiry: {after_days: 1, after_months: 1}\n",
        "expiry.after_months",
    );
    check("expiry: {never: true, after_months: 1}\n", "expiry.after_months");
    check("expiry: {never: false}\n", "expiry.never");
    check(
        "  tiers: {gold: {threshold: {at_least: 1}}}\n",
        "accrual.tiers.gold.threshold.points",
    );
    check("  tiers: {gold: 3}\n", "accrual.tiers.gold");
    assert!(one(&format!("{SMALL}expiry: {{never: false, after_days: 1}}\n")).is_ok());
    assert!(one(&SMALL.replace("accrual:\n  rate: {every: 100, points: 1}\n", "")).is_err());
}

#[test]
fn json_numbers_with_fractions_are_refused() {
    let json = to_json(&one(SMALL).unwrap()).replace(r#""every":"100""#, r#""every":0.1"#);
    let errors = read_json(&serde_json::from_str(&json).unwrap()).unwrap_err();
    assert_eq!(errors[0].field, "accrual.rate.every");
    assert_eq!(errors[0].wrong, "0.1 is a JSON number with a fraction");
}

#[test]
fn what_is_kept_is_the_same_whatever_the_order_of_its_keys() {
    let with = |labels: &str| {
        let json = to_json(&one(SMALL).unwrap());
        let json = format!("{},\"labels\":{labels}}}", &json[..json.len() - 1]);
        read_json(&serde_json::from_str(&json).unwrap()).unwrap()
    };
    let rules = with(r#"{"b":[{"d":2.5,"c":null}],"a":1}"#);
    assert_eq!(rules, with(r#"{"a":1,"b":[{"c":null,"d":2.5}]}"#));
    let kept = r#"{"a":1,"b":[{"c":null,"d":2.5}]}"#;
    assert_eq!(rules.annotations["/labels"], kept);
    assert_eq!(
        read_json(&serde_json::from_str(&to_json(&rules)).unwrap()),
        Ok(rules)
    );
}

#[test]
fn json_files_are_read_as_json() {
    let small = to_json(&one(SMALL).unwrap());
    let emoji = "\u{1f600}";
    let escaped = small.replace("acme", r"\ud83d\ude00\/");
    assert_eq!(one(&escaped).unwrap().shop_id, format!("{emoji}/"));
    let tabs = small.replace(':', ":\t").replace("T00:\t00:\t00", "T00:00:00");
    let tabs = tabs
        .replace("23:\t59", "23:59")
        .replace("09:\t00", "09:00")
        .replace("16:\t00:\t00", "16:00:00");
    assert_eq!(one(&format!("\u{feff}\r\n\t{tabs}\n")), one(SMALL));
    let numbers = small.replace(r#""every":"100""#, r#""every":0.50"#);
    assert_eq!(
        one(&numbers).unwrap(),
        one(&SMALL.replace("100", "0.50")).unwrap()
    );
    // In braces, but no JSON.
    assert!(one(&format!("{{{}}}", "shop_id: acme, version: 1")).is_err());
    let line = |text: &str| {
        let errors = one(text).unwrap_err();
        (errors[0].line, errors[0].field.clone(), errors[0].wrong.clone())
    };
    let wrong = |line, field: &str, wrong: &str| (line, field.to_owned(), wrong.to_owned());
    let lines = small.replace(",\"", ",\n\"");
    assert_eq!(
        line(&lines.replace("\"timezone\":\"", "\"timezone\":\"X")),
        wrong(4, "timezone", "XAsia/Taipei is not a time zone"),
    );
    assert_eq!(
        line(&lines.replace("\"timezone\"", "\"version\":2,\"timezone\"")),
        wrong(4, "version", "stands here twice"),
    );
    let deep = format!(
        "{},\"x-a\":{}{}}}",
        &small[..small.len() - 1],
        "[".repeat(40),
        "]".repeat(40)
    );
    assert_eq!(line(&deep), wrong(1, "document", "too deep"));
}

#[test]
fn what_is_no_section_is_told_once() {
    for (text, wanted) in [
        ("- 1\n", vec!["document: is not a rule document"]),
        ("rules\n", vec!["document: is not a rule document"]),
    ] {
        let told = one(text).unwrap_err();
        let told: Vec<String> = told.iter().map(|e| format!("{}: {}", e.field, e.wrong)).collect();
        assert_eq!(told, wanted, "{text}");
    }
    for (from, to, field) in [
        (
            "accrual:\n  rate: {every: 100, points: 1}",
            "accrual: []",
            "accrual",
        ),
        ("{every: 100, points: 1}", "5", "accrual.rate"),
    ] {
        let errors = one(&SMALL.replace(from, to)).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert_eq!(errors[0].field, field);
        assert_eq!(errors[0].wrong, "is not a section");
    }
    let errors = one(&format!("{SMALL}  tears: {{}}\n")).unwrap_err();
    assert_eq!(
        errors[0].remedy,
        "known here: enabled, base, not_when, min_order, rate, threshold, tiers"
    );
}

#[test]
fn what_is_told_is_one_line() {
    let errors = one(&SMALL.replace("TWD", "\"T\\e[31mW\\nD\"")).unwrap_err();
    assert_eq!(errors[0].wrong, "T\\u{1b}[31mW\\nD is not a currency");
    let errors = one(&SMALL.replace("TWD", &"X".repeat(1_000))).unwrap_err();
    assert_eq!(errors[0].wrong, format!("{}…", "X".repeat(200)));
}
