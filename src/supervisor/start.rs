//! Starting workers, and finding one that has room.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Instant;

use crate::error::Error;
use crate::roles::Role;
use crate::worker_handle::WorkerHandle;

use super::desk;
use super::place::{Place, Worker};
use super::{FromWorker, Supervisor};

impl Supervisor<'_> {
    /// Starts a further worker, unless all are there or one is idle.
    pub(super) fn start_another(&mut self) -> Result<(), Error> {
        let idle = |place: &Place| place.standing().is_free && place.standing().load == 0;
        let number = self.places.len();
        if number == self.plan.workers || self.places.iter().any(idle) {
            return Ok(());
        }
        let place = Place::new(number, self.plan.layout)
            .map_err(|error| Error::system("make shared memory for a worker", error))?;
        self.places.push(place);
        self.ledger.count_worker();
        self.start_worker(number)
    }

    /// Starts what is to take the place of workers that died, where it is time.
    pub(super) fn restart_workers(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        for number in 0..self.places.len() {
            let restart = &mut self.places[number].restart;
            if restart.take_if(|due| *due <= now).is_some() {
                self.ledger.count_restart();
                self.start_worker(number)?;
            }
        }
        Ok(())
    }

    pub(super) fn start_worker(&mut self, number: usize) -> Result<(), Error> {
        self.generation += 1;
        let (place, generation, sender) = (number, self.generation, self.sender.clone());
        let files = self.files_for(number)?;
        let hear = move |heard| {
            // The receiver is gone when the job is over.
            let _ = sender.send(FromWorker { place, generation, heard });
        };
        let handle = WorkerHandle::spawn(Role::Worker, &self.directory, generation, files, hear)?;
        self.places[number].worker = Some(Worker::new(handle, generation));
        Ok(())
    }

    /// What a worker inherits, in the order of `descriptors::worker`.
    fn files_for(&self, number: usize) -> Result<Vec<OwnedFd>, Error> {
        let system = |error| Error::system("hand descriptors to a worker", error);
        let mut files = vec![self.setups.file.try_clone().map_err(system)?];
        files.extend(self.places[number].files().map_err(system)?);
        for artifact in &self.artifacts {
            files.push(artifact.file.try_clone().map_err(system)?);
        }
        for data in &self.data.files {
            files.push(data.try_clone().map_err(system)?);
        }
        for input in self.inputs.inherited() {
            files.push(File::try_clone(input).map_err(system)?.into());
        }
        Ok(files)
    }

    /// The place that will soonest get to something new.
    pub(super) fn place_with_room(&mut self) -> Result<&mut Place, Error> {
        let number = desk::soonest(self.places.iter().map(Place::standing));
        let place = number.and_then(|number| self.places.get_mut(number));
        place.ok_or_else(|| Error::Workers("no worker has room".into()))
    }
}
