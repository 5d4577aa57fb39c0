//! What a worker's members were owed and got, added up when all of it has had time to come.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    account::{Stream, Streams},
    client::Client,
};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// Owed and never heard.
    pub(super) lost: u64,
    /// Sent while a member was away, and never made good to it.
    pub(super) missed: u64,
    pub(super) never_joined: u64,
    /// By room: how many members that heard everything heard it in which order.
    pub(super) orders: BTreeMap<u32, BTreeMap<u64, u32>>,
}

pub(super) fn settle(clients: &[Client], sent: &Streams) -> Outcome {
    let mut outcome = Outcome::default();
    for client in clients {
        let room = client.room as usize;
        if client.joined == 0 {
            outcome.never_joined += 1;
            continue;
        }
        let balance = client.stay.balance(sent, room);
        let mut heard = balance.heard;
        let mut lost = balance.lost;
        for stay in &client.past {
            let balance = stay.balance(sent, room);
            heard += balance.heard;
            lost += balance.lost;
        }
        outcome.lost += lost;
        if !client.stay.is_whole() {
            let streams = sent.iter().filter_map(|rooms| rooms.get(room));
            let owed: u64 = streams.map(Stream::owed).sum();
            outcome.missed += owed.saturating_sub(heard + lost);
        }
        if let Some(order) = balance.order.filter(|_| client.joined == 1) {
            let orders = outcome.orders.entry(client.room).or_default();
            *orders.entry(order).or_default() += 1;
        }
    }
    outcome
}

impl Outcome {
    pub(super) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.missed += other.missed;
        self.never_joined += other.never_joined;
        for (room, orders) in &other.orders {
            let all = self.orders.entry(*room).or_default();
            for (order, members) in orders {
                *all.entry(*order).or_default() += members;
            }
        }
    }

    /// Rooms whose members did not all hear the same order.
    pub(super) fn disagreeing_rooms(&self) -> usize {
        self.orders.values().filter(|orders| orders.len() > 1).count()
    }
}
