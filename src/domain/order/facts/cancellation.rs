//! What the merchant chose with a cancellation.

use super::telling::Told;
use crate::domain::instant::Instant;

/// Tellings of a cancellation whose choices are kept.
const CHOICES_MAX: usize = 16;

/// What one telling of a cancellation chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Of the event.
    pub time: Instant,
    pub take_back: bool,
    pub return_redeemed: bool,
}

/// The choices of all tellings that count, and what became of the cancellation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cancellation {
    /// By time, one for each.
    pub choices: Vec<Choice>,
    /// It became known after the points were credited.
    pub after_issue: bool,
}

/// A cancellation that counts.
#[derive(Clone, Copy, Debug)]
pub struct Cancelled<'a> {
    /// When it happened; never before the order.
    pub at: Instant,
    pub told: &'a Told,
    pub take_back: bool,
    pub return_redeemed: bool,
    pub after_issue: bool,
}

impl Cancellation {
    /// The earliest telling's choice counts; of one time a choice made.
    pub fn choice(&self) -> (bool, bool) {
        let first = self.choices.first();
        first.map_or((true, true), |choice| (choice.take_back, choice.return_redeemed))
    }

    pub fn learn(&mut self, choice: Choice, withdrawn: Option<Instant>) {
        if withdrawn.is_some_and(|withdrawn| choice.time <= withdrawn) {
            return;
        }
        match self
            .choices
            .binary_search_by_key(&choice.time, |known| known.time)
        {
            Ok(at) => {
                self.choices[at].take_back &= choice.take_back;
                self.choices[at].return_redeemed &= choice.return_redeemed;
            }
            Err(at) => self.choices.insert(at, choice),
        }
        if self.choices.len() > CHOICES_MAX {
            // One between two that chose the same; else the last.
            let chose = |choice: &Choice| (choice.take_back, choice.return_redeemed);
            let spare = self.choices.windows(3).position(|three| {
                chose(&three[0]) == chose(&three[1]) && chose(&three[1]) == chose(&three[2])
            });
            self.choices
                .remove(spare.map_or(CHOICES_MAX, |before| before + 1));
        }
    }

    pub fn withdraw(&mut self, time: Instant) {
        self.choices.retain(|choice| choice.time > time);
    }
}
