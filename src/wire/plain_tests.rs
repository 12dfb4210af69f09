use super::*;

#[test]
fn what_is_not_plain_is_left_alone() {
    let skips = |text: &str| read::<IgnoredAny>(text).is_some();
    for plain in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "10",
        "-1.50",
        "1e5",
        "1.0E+5",
        "1e-5",
        "\"謝謝\"",
        "[]",
        "{}",
        " [ ] ",
        "[1 , 2]",
        "{ \"a\" : [ { } ] , \"a\":1}",
    ] {
        assert!(skips(plain), "{plain}");
    }
    for odd in [
        "",
        "nul",
        "nulll",
        "True",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "NaN",
        "\"",
        "\"\\n\"",
        "\"\t\"",
        "[\n]",
        "[1,]",
        "[,]",
        "[1 2]",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "[",
        "{",
        "]",
        "[}",
        "1 2",
        "\u{feff}1",
        "\u{a0}1",
        "/**/1",
    ] {
        assert!(!skips(odd), "{odd}");
    }
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(skips(&nested(DEPTH_MAX as usize)));
    assert!(!skips(&nested(DEPTH_MAX as usize + 1)));
    for number in ["1.0", "1e1", "-0", "1234567890123456789"] {
        assert_eq!(read::<i64>(number), None, "{number}");
    }
    assert_eq!(read::<i64>("-12345678901234567"), Some(-12_345_678_901_234_567));
    assert_eq!(read::<u32>("-1"), None);
}

#[test]
fn a_text_ends_at_its_first_quote_wherever_that_is() {
    let texts = (0..20).flat_map(|length| ["a", "謝", "!", "\u{7f}\u{a2}"].map(|part| part.repeat(length)));
    for text in texts {
        for behind in ["", " ", "   ", "        "] {
            let json = format!("[\"{text}\",\"{text}\"{behind}]");
            let found = read::<Vec<Text>>(&json).expect("plain");
            assert_eq!(found, [Text((&*text).into()), Text((&*text).into())], "{json}");
            assert!(read::<Text>(&format!("\"{text}{behind}")).is_none(), "{text}");
        }
    }
}
