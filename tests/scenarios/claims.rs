//! When a promise is paid, and when it is given back: a resolve counts whenever it is shown in time, the highest one
//! wins, and nothing is paid or let go that is not covered (safety.md N1, N2, N14, N25).

use channel::{
    Nano,
    propose::Intent,
    tl::{Action, Query},
};
use tests::{Manner, milli, ton};

use crate::{
    collusion::{LAST_SECS, Plot},
    lies::{before_a_relay, reason, refused_but_goes_on, relayed},
};

impl Plot {
    fn take_back(&mut self) -> Result<(), String> {
        // What was refused stays refused, so that each try is another state.
        let increment = Intent::Increment { want_response: false };
        self.payer.go(&mut self.world, &increment).expect("nothing is asked for");
        let key = self.key();
        self.payer.go(&mut self.world, &Intent::Remove { key })
    }

    fn give_up(&mut self) -> Result<(), String> {
        let key = self.key();
        self.payee.request(&mut self.world, Action::RequestRemoveVirtual { key })
    }

    /// What the relay has paid the payee, by the payee's books.
    fn paid(&self) -> Nano {
        self.payee.channel().theirs.body().sent
    }

    fn pass(&mut self, secs: u32) {
        self.payer.listen(&mut self.world, u64::from(secs) * 1_000);
    }
}

#[test]
fn a_payer_takes_nothing_back_that_the_relay_may_still_have_to_pay() {
    // The payee holds the relay's promise, has given it back, or gives it back while it keeps the lock.
    for (gives_up, keeps_lock) in [(false, false), (true, false), (true, true)] {
        let mut plot = Plot::begin();
        plot.payee.keeps_lock = keeps_lock;
        if gives_up {
            assert_eq!(plot.give_up(), Ok(()));
            plot.wait(10_000);
            assert_eq!(plot.payee.promised().is_some(), keeps_lock);
        }
        let early = Err("virtual channel is not expired".to_owned());
        assert_eq!(plot.take_back(), early, "an older state still gives the payee five");
        plot.covered();

        plot.pass(LAST_SECS - 600);
        assert_eq!(plot.take_back(), early, "a few minutes are left");
        plot.pass(1_000);
        assert_eq!(plot.take_back(), Ok(()), "now the contract refuses it");
    }
}

#[test]
fn of_several_resolves_the_highest_is_paid_in_whatever_order_they_come() {
    for claims in [[ton(2), Nano(1), ton(1)], [Nano(1), ton(2), ton(1)]] {
        let mut plot = Plot::begin();
        plot.payee.keeps_lock = true;
        for amount in claims {
            assert_eq!(plot.claim(amount), Ok(()), "a lower one is tolerated");
        }
        plot.payee.keeps_lock = false;
        plot.wait(30_000);

        assert_eq!(plot.paid(), ton(2));
        plot.covered();
        // Nor does the payer get away with less.
        plot.pass(LAST_SECS + 600);
        plot.wait(60_000);
        assert_eq!(plot.asked().first(), Some(&ton(2)));
        assert_eq!(plot.pay(ton(1)), Err("outdated virtual channel state".to_owned()));
        plot.covered();
    }
}

#[test]
fn a_payee_may_claim_what_the_payer_has_paid_for_and_no_more() {
    let mut plot = Plot::begin();
    plot.payee.keeps_lock = true;
    assert_eq!(plot.claim(Nano(1)), Ok(()));
    assert_eq!(plot.pay(ton(5)), Ok(()), "more than the payee has asked for yet");

    assert_eq!(plot.claim(ton(5)), Ok(()), "the relay keeps nothing of it");
    plot.payee.keeps_lock = false;
    plot.wait(30_000);
    assert_eq!(plot.paid(), ton(5));
    plot.covered();
}

#[test]
fn a_resolve_counts_before_the_promise_is_agreed_to_and_after_it_was_given_up() {
    let mut plot = Plot::begin_with(Manner::Silent);
    assert_eq!(plot.payee.promised(), None, "offered and not agreed to");
    assert_eq!(plot.claim(ton(5)), Ok(()));
    plot.wait(5_000);
    assert_eq!(plot.asked().first(), Some(&ton(5)), "the relay has learned it and claims");
    assert_eq!(plot.pay(ton(5)), Ok(()));
    plot.covered();
    plot.payee.manner = Manner::Agree;
    plot.wait(30_000);
    assert_eq!(plot.paid(), ton(5));

    let mut plot = Plot::begin();
    plot.payee.keeps_lock = true;
    assert_eq!(plot.give_up(), Ok(()));
    assert_eq!(plot.claim(ton(5)), Ok(()));
    plot.payee.keeps_lock = false;
    plot.wait(30_000);
    assert_eq!(plot.paid(), ton(5));
    assert_eq!(plot.asked().first(), Some(&ton(5)));
}

#[test]
fn after_the_deadline_a_claim_is_paid_only_if_the_relay_was_paid_for_it() {
    for covered in [false, true] {
        let mut plot = Plot::begin();
        plot.payee.keeps_lock = true;
        assert_eq!(plot.claim(ton(5)), Ok(()));
        if covered {
            assert_eq!(plot.pay(ton(5)), Ok(()));
        }
        plot.pass(LAST_SECS + 1);
        assert_eq!(plot.claim(ton(5)), Err("virtual channel is expired".to_owned()));
        plot.payee.keeps_lock = false;
        plot.wait(600_000);

        assert_eq!(plot.paid(), if covered { ton(5) } else { Nano(0) });
        assert_eq!(plot.payee.promised(), None, "paid or taken back");
        plot.covered();
    }
}

#[test]
fn a_promise_does_not_go_back_into_the_channel_it_came_from() {
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    let mut hops = relayed(&world, relay, bob);
    hops[1].target = mallory.key.public();
    let secret = channel::key::SecretKey::from_seed([63; 32]);
    let (conditional, orders) = mallory.orders(&secret, &hops);

    let lie = mallory.promise(conditional, orders);

    let reason =
        format!("no active channel with {} to tunnel requested capacity", mallory.key.public());
    refused_but_goes_on(&mut world, &mut mallory, &lie, &reason);
    assert_eq!(world.balance(relay, mallory.id), milli(10_000));
}

#[test]
fn whoever_is_asked_says_truly_which_lock_it_still_holds() {
    let mut plot = Plot::begin_with(Manner::Silent);
    let (lock, channel) = (plot.payee.asked_lock, plot.payee.address());
    let unlocked = |plot: &mut Plot, lock_id| {
        reason(plot.payee.ask(&mut plot.world, &Query::IsChannelUnlocked { lock_id, channel }))
    };
    assert!(lock > 0, "the payee is the master of the lock");
    assert_eq!(unlocked(&mut plot, lock), "still locked");
    assert_eq!(unlocked(&mut plot, lock + 1), "", "nobody holds that one");
    assert_eq!(unlocked(&mut plot, 0), "id must be positive");

    plot.payee.manner = Manner::Agree;
    plot.wait(30_000);
    assert_eq!(unlocked(&mut plot, lock), "", "given back");
}
