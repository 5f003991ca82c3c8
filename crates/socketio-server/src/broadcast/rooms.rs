//! How rooms are named: one, or several.

use std::ops::Deref;

use smallvec::SmallVec;
use socketio_adapter::Room;

/// One room or several: a string, a [`Room`], or an array, slice or vector of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no rooms: give a string, a `Room`, a socket's id, or an array, slice or vector of them",
    label = "no name of a room"
)]
pub trait IntoRooms {
    /// The rooms.
    #[doc(hidden)]
    fn into_rooms(self) -> RoomList;
}

/// Some rooms, most often one.
#[doc(hidden)]
#[derive(Debug)]
pub struct RoomList(pub(super) SmallVec<[Room; 1]>);

impl Deref for RoomList {
    type Target = [Room];

    fn deref(&self) -> &[Room] {
        &self.0
    }
}

macro_rules! one_room {
    ($($type:ty),*) => {
        $(impl IntoRooms for $type {
            fn into_rooms(self) -> RoomList {
                RoomList(SmallVec::from_buf([self.into()]))
            }
        })*
    };
}

one_room!(&str, String, &String, Room, &Room, socketio_adapter::SocketId, &socketio_adapter::SocketId);

impl<R: Into<Room>, const N: usize> IntoRooms for [R; N] {
    fn into_rooms(self) -> RoomList {
        RoomList(self.into_iter().map(Into::into).collect())
    }
}

impl<R: Into<Room>> IntoRooms for Vec<R> {
    fn into_rooms(self) -> RoomList {
        RoomList(self.into_iter().map(Into::into).collect())
    }
}

impl<'a, R> IntoRooms for &'a [R]
where
    &'a R: Into<Room>,
{
    fn into_rooms(self) -> RoomList {
        RoomList(self.iter().map(Into::into).collect())
    }
}
