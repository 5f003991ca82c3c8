//! Listeners of what is sent to one socket.

use std::sync::{Arc, OnceLock};

use engine_io_parser::SharedFrame;
use socketio_parser::{Args, Packet, Parser};

use crate::event::HandlerId;
use crate::event::run::{Panicked, catch};
use crate::sync::Mutex;

/// The listeners of one socket; a word while there are none.
#[derive(Default)]
pub(crate) struct OutgoingListeners(OnceLock<Box<Mutex<Arc<List>>>>);

type List = Vec<(HandlerId, Arc<Listener>)>;

/// Hears of an event by name and arguments.
pub(crate) type Listener = dyn Fn(&str, &Args) + Send + Sync;

/// Which end of the list.
pub(crate) enum Place {
    First,
    Last,
}

impl OutgoingListeners {
    pub(crate) fn add(&self, listener: Arc<Listener>, place: &Place) -> HandlerId {
        let id = HandlerId::next();
        let mut list = self.0.get_or_init(|| Box::new(Mutex::new(Arc::default()))).lock();
        let list = Arc::make_mut(&mut list);
        match place {
            Place::First => list.insert(0, (id, listener)),
            Place::Last => list.push((id, listener)),
        }
        id
    }

    pub(crate) fn remove(&self, id: HandlerId) -> bool {
        let before = self.list();
        if !before.iter().any(|(known, _)| *known == id) {
            return false;
        }
        if let Some(list) = self.0.get() {
            Arc::make_mut(&mut list.lock()).retain(|(known, _)| *known != id);
        }
        // Listeners own user values, whose drop may call back: the last of them goes here, outside of the lock.
        drop(before);
        true
    }

    pub(crate) fn clear(&self) {
        if let Some(list) = self.0.get() {
            let before = std::mem::take(&mut *list.lock());
            drop(before);
        }
    }

    pub(crate) fn ids(&self) -> Vec<HandlerId> {
        self.list().iter().map(|(id, _)| *id).collect()
    }

    fn list(&self) -> Arc<List> {
        self.0.get().map(|list| Arc::clone(&list.lock())).unwrap_or_default()
    }

    /// Tells the listeners of an event, if the frames are one; `failed` is told which event a listener panicked at.
    /// Frames are only decoded if anybody listens.
    ///
    /// Each delivery passes here, so no more than a look is inline.
    #[inline]
    pub(crate) fn notify(&self, parser: &Parser, frames: &[SharedFrame], failed: impl Fn(&str, Panicked)) {
        if self.0.get().is_some() {
            self.notify_each(parser, frames, &failed);
        }
    }

    #[cold]
    fn notify_each(&self, parser: &Parser, frames: &[SharedFrame], failed: &dyn Fn(&str, Panicked)) {
        let list = self.list();
        if list.is_empty() {
            return;
        }
        let mut decoder = parser.decoder();
        for frame in frames {
            if let Ok(Some(Packet::Event { name, args, .. })) = decoder.decode(frame.to_message()) {
                for (_, listener) in list.iter() {
                    if let Err(panicked) = catch(|| listener(&name, &args)) {
                        failed(&name, panicked);
                    }
                }
            }
        }
    }
}
