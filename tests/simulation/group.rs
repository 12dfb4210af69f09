//! Consumer groups: members, generations, eager rebalances, offsets.
//!
//! Permitted: rebalances at any moment, members that are given up while they are frozen,
//! offsets set back by delayed commits of long ago. As in the real one, a commit is checked for
//! member and generation only, never for ownership, and generation -1 is not checked at all.
//! Survivable because membership is captured at assignment (E6) and the changelog, not the
//! group, says where to go on (E5).

use std::collections::BTreeMap;

use accrual::engine::ports::{Millis, Offset, Partition, Position};

use super::mutation::{self, Mutation};
use super::world::World;

/// Proof of membership, as it was when it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    pub group: usize,
    pub member: u64,
    pub generation: i32,
}

#[derive(Default)]
pub struct Group {
    pub partitions: i32,
    pub generation: i32,
    members: BTreeMap<u64, Member>,
    /// `Some`: a rebalance goes on until everybody joined or this time.
    rebalancing: Option<Millis>,
    offsets: BTreeMap<Partition, Position>,
    /// Every offset that was ever committed, to be set back to.
    past: Vec<(Partition, Position)>,
    /// The highest offset ever committed.
    decided: BTreeMap<Partition, Offset>,
    pending: BTreeMap<u64, Vec<(Partition, Position)>>,
}

struct Member {
    machine: usize,
    deadline: Millis,
    joined: bool,
    owned: Vec<Partition>,
}

#[derive(Default)]
pub struct Groups {
    pub all: Vec<Group>,
    counter: u64,
}

/// What a member hears with a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub enum Beat {
    Unknown,
    Rebalancing,
    Stable(i32),
}

impl Groups {
    pub fn create(&mut self, partitions: i32) {
        self.all.push(Group {
            partitions,
            ..Group::default()
        });
    }

    pub fn accepts(&self, membership: Membership) -> bool {
        let group = &self.all[membership.group];
        membership.generation < 0
            || (group.generation == membership.generation && group.members.contains_key(&membership.member))
    }

    /// What a machine's membership is now, for who does not capture it in time.
    pub fn fresh(&self, group: usize, machine: usize, stale: Membership) -> Membership {
        let state = &self.all[group];
        let member = state.members.iter().find(|(_, member)| member.machine == machine);
        member.map_or(stale, |(member, _)| Membership {
            group,
            member: *member,
            generation: state.generation,
        })
    }

    pub fn pend(&mut self, group: usize, tx: u64, offsets: &[(Partition, Position)]) {
        self.all[group]
            .pending
            .entry(tx)
            .or_default()
            .extend_from_slice(offsets);
    }

    pub fn resolve(&mut self, group: usize, tx: u64, committed: bool) {
        let group = &mut self.all[group];
        for (partition, offset) in group.pending.remove(&tx).unwrap_or_default() {
            if committed {
                group.offsets.insert(partition, offset);
                group.past.push((partition, offset));
                let decided = group.decided.entry(partition).or_insert(0);
                *decided = (*decided).max(offset.offset);
            }
        }
    }

    /// Somebody who does not know better says that more was read than was.
    pub fn set_ahead(&mut self, group: usize, partition: Partition, by: Offset) {
        let offset = self.decided(group, partition) + by;
        let position = Position { offset, topic: None };
        self.all[group].offsets.insert(partition, position);
    }

    pub fn decided(&self, group: usize, partition: Partition) -> Offset {
        self.all[group].decided.get(&partition).copied().unwrap_or(0)
    }

    /// `None`: a transaction on it is not resolved.
    pub fn stable(&self, group: usize, partition: Partition) -> Option<Option<Position>> {
        let group = &self.all[group];
        let unstable = group.pending.values().flatten().any(|(p, _)| *p == partition);
        (!unstable || mutation::on(Mutation::E5UnstableOffset))
            .then(|| group.offsets.get(&partition).copied())
    }
}

impl World {
    /// Joins or joins again. A static member takes the place of its former self.
    pub fn join_group(&mut self, group: usize, machine: usize, member: Option<u64>) -> u64 {
        let (now, session, statics) = (self.now, self.knobs.session_ms, self.knobs.static_members);
        let all = &mut self.groups;
        let known = member.filter(|member| all.all[group].members.contains_key(member));
        let id = known.unwrap_or_else(|| {
            all.counter += 1;
            all.counter
        });
        let state = &mut all.all[group];
        let deadline = now + session;
        let former = state
            .members
            .iter()
            .find(|(m, member)| member.machine == machine && **m != id);
        if let Some(former) = former.map(|(m, _)| *m).filter(|_| statics && known.is_none()) {
            // The former self is fenced. A stable group goes on under the same generation.
            let old = state.members.remove(&former).expect("found above");
            let joined = state.rebalancing.is_some();
            state.members.insert(
                id,
                Member {
                    deadline,
                    joined,
                    ..old
                },
            );
            self.note(|| format!("group {group}: member {id} takes the place of {former}"));
            return id;
        }
        let member = Member {
            machine,
            deadline,
            joined: true,
            owned: Vec::new(),
        };
        let joined = state.members.get(&id).is_some_and(|member| member.joined);
        state.members.insert(id, member);
        if !joined {
            self.rebalance(group);
        }
        self.groups.all[group]
            .members
            .get_mut(&id)
            .expect("just joined")
            .joined = true;
        self.note(|| format!("group {group}: member {id} of machine {machine} joins"));
        id
    }

    pub fn join_again(&mut self, group: usize, member: Option<u64>) {
        let members = &mut self.groups.all[group].members;
        if let Some(member) = member.and_then(|member| members.get_mut(&member)) {
            member.joined = true;
        }
    }

    pub fn rebalance(&mut self, group: usize) {
        let deadline = self.now + self.knobs.rebalance_ms;
        let state = &mut self.groups.all[group];
        if state.rebalancing.is_none() {
            state.rebalancing = Some(deadline);
            state
                .members
                .values_mut()
                .for_each(|member| member.joined = false);
        }
    }

    pub fn leave_group(&mut self, group: usize, member: u64) {
        if self.groups.all[group].members.remove(&member).is_some() {
            self.note(|| format!("group {group}: member {member} leaves"));
            self.rebalance(group);
        }
    }

    pub fn heartbeat(&mut self, group: usize, member: u64) -> Beat {
        let deadline = self.now + self.knobs.session_ms;
        let state = &mut self.groups.all[group];
        let rebalancing = state.rebalancing.is_some();
        let Some(known) = state.members.get_mut(&member) else {
            return Beat::Unknown;
        };
        known.deadline = deadline;
        if rebalancing {
            Beat::Rebalancing
        } else {
            Beat::Stable(state.generation)
        }
    }

    pub fn owned(&self, group: usize, member: u64) -> Vec<Partition> {
        let member = self.groups.all[group].members.get(&member);
        member.map_or(Vec::new(), |member| member.owned.clone())
    }

    /// Puts what members and the coordinator wait for off by so much.
    pub fn keep_sessions(&mut self, by: Millis) {
        for group in &mut self.groups.all {
            group
                .members
                .values_mut()
                .for_each(|member| member.deadline += by);
            group.rebalancing = group.rebalancing.map(|deadline| deadline + by);
        }
    }

    /// The coordinator looks after its groups.
    pub fn tend_groups(&mut self) {
        for group in 0..self.groups.all.len() {
            let now = self.now;
            let state = &mut self.groups.all[group];
            let before = state.members.len();
            state.members.retain(|_, member| member.deadline > now);
            if state.members.len() < before {
                self.note(|| format!("group {group}: session timed out"));
                self.rebalance(group);
            }
            self.settle_group(group);
        }
        self.after(50, World::tend_groups);
    }

    fn settle_group(&mut self, group: usize) {
        let now = self.now;
        let state = &mut self.groups.all[group];
        let Some(deadline) = state.rebalancing else { return };
        if now >= deadline {
            state.members.retain(|_, member| member.joined);
        }
        if state.members.is_empty() || state.members.values().any(|member| !member.joined) {
            return;
        }
        state.rebalancing = None;
        state.generation += 1;
        let members: Vec<u64> = state.members.keys().copied().collect();
        state.members.values_mut().for_each(|member| member.owned.clear());
        for partition in 0..state.partitions {
            let member = *self.rng.pick(&members);
            state
                .members
                .get_mut(&member)
                .expect("listed")
                .owned
                .push(partition);
        }
        let shown: Vec<_> = state
            .members
            .iter()
            .map(|(m, member)| (*m, member.owned.clone()))
            .collect();
        let generation = state.generation;
        self.note(|| format!("group {group}: generation {generation}: {shown:?}"));
    }

    /// A commit of long ago arrives.
    pub fn set_offset_back(&mut self, group: usize) {
        let state = &self.groups.all[group];
        if state.past.is_empty() {
            return;
        }
        let (partition, offset) = *self.rng.pick(&state.past);
        let state = &mut self.groups.all[group];
        if state
            .offsets
            .get(&partition)
            .is_some_and(|present| present.offset > offset.offset)
        {
            state.offsets.insert(partition, offset);
            self.note(|| {
                format!(
                    "group {group}: offset of {partition} set back to {}",
                    offset.offset
                )
            });
        }
    }
}
