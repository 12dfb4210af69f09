//! Answers by the HTTP interface of a running instance: it has the rights on Kafka and Redis, and who
//! asks needs its token alone.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{Address, Answers};
use crate::app::letter_pages::PAGE_MAX_COUNT;
use crate::app::operations::{Letter, LetterId, Letters};
use crate::config::secret::Secret;
use crate::domain::instant::Instant;
use crate::domain::ledger::redemption::Amounts;
use crate::http::client::{Client, Error};
use crate::http::views::{DeadLetter, DeadLettersRequest, Member, Order, Quote, QuoteRequest};

pub struct Instance(Client);

impl Instance {
    /// Asks nobody yet.
    pub fn new(address: &Address) -> anyhow::Result<Self> {
        let token = address.token.as_ref().map(Secret::expose);
        Ok(Self(Client::new(
            &address.url,
            token,
            address.certificates.as_deref(),
        )?))
    }
}

impl Answers for Instance {
    fn order(&self, shop_id: &str, order_id: &str) -> anyhow::Result<Option<Order>> {
        known(self.0.order(shop_id, order_id))
    }

    fn member(&self, shop_id: &str, member_id: &str) -> anyhow::Result<Option<Member>> {
        known(self.0.member(shop_id, member_id))
    }

    fn quote(
        &self,
        shop_id: &str,
        member_id: &str,
        amounts: Amounts,
        tier: Option<&str>,
    ) -> anyhow::Result<Quote> {
        let asked = QuoteRequest {
            subtotal: amounts.subtotal.unwrap_or_default().to_string(),
            payable: amounts.payable.map(|payable| payable.to_string()),
            tier: tier.map(str::to_owned),
        };
        Ok(self.0.quote(shop_id, member_id, &asked)?)
    }

    /// Page by page to the end, for the marks lie behind the letters.
    fn dead_letters(&self, letters: &Letters) -> anyhow::Result<Vec<Letter>> {
        let ids: Vec<String> = letters.ids.iter().map(LetterId::to_string).collect();
        let mut asked = DeadLettersRequest {
            from: None,
            code: letters.code.clone(),
            ids: (!ids.is_empty()).then(|| ids.join(",")),
            limit: None,
            values: letters.values,
        };
        let limit = letters.limit.unwrap_or(usize::MAX);
        let (mut found, mut redriven) = (Vec::new(), BTreeMap::new());
        loop {
            asked.limit = Some((limit - found.len()).min(PAGE_MAX_COUNT));
            let page = self.0.dead_letters(&asked)?;
            for shown in &page.letters {
                found.push(letter(shown).context("a dead letter cannot be read")?);
            }
            redriven.extend(page.redriven.into_iter().map(|mark| (mark.id, mark.at)));
            match page.next {
                None => break,
                next if next == asked.from || found.len() > limit => {
                    bail!("the instance answers the same dead letters again and again");
                }
                next => asked.from = next,
            }
        }
        for letter in &mut found {
            let at = redriven.get(&letter.id.to_string());
            letter.redriven = at.map(|at| instant(at)).transpose()?;
        }
        Ok(found)
    }
}

fn known<T>(answer: Result<T, Error>) -> anyhow::Result<Option<T>> {
    match answer {
        Err(Error::NotFound { .. }) => Ok(None),
        answer => Ok(Some(answer?)),
    }
}

fn letter(shown: &DeadLetter) -> anyhow::Result<Letter> {
    let value = shown.value.as_ref().map(|value| BASE64_STANDARD.decode(value));
    Ok(Letter {
        id: shown.id.parse().map_err(anyhow::Error::msg)?,
        code: shown.code.clone(),
        detail: shown.detail.clone(),
        topic: shown.topic.clone(),
        partition: shown.partition,
        offset: shown.offset,
        at: instant(&shown.at)?,
        key: shown.key.clone().map(String::into_bytes),
        value: value.transpose()?,
        redriven: None,
    })
}

fn instant(text: &str) -> anyhow::Result<Instant> {
    Instant::parse(text).with_context(|| format!("{text:?} is no instant"))
}
