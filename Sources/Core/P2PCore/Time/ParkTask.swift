/// Where tasks are parked: their continuations, in a lock, until what they wait for is there.
package protocol ParkingPlace: Sendable {
    /// Tells one task that waits from the others.
    associatedtype Ticket: Sendable

    /// Whether a cancellation that comes before the parking makes ``park(_:_:)`` return false; else the task is asked.
    static var remembersCancellation: Bool { get }
    /// Keeps the continuation, inside the lock, for whoever resumes it once, outside; false when what is waited for is there already.
    func park(_ waiter: UnsafeContinuation<Void, Never>, _ ticket: Ticket) -> Bool
    /// The task was cancelled: takes its continuation away, inside the lock, and resumes it, outside, unless somebody else has taken it.
    /// Called at any moment, perhaps twice.
    func unpark(_ ticket: Ticket)
}

extension ParkingPlace {
    package static var remembersCancellation: Bool { false }
}

/// Suspends the task until its continuation is resumed: the one way in which a task is parked by hand.
///
/// Nobody who is cancelled stays parked. Where the cancellation comes before the parking, its handler finds nobody, but then the place
/// or the task knows of it; where it comes after, the handler finds the continuation. Inlined, for the frames of streams' tasks.
@inline(__always)
package func parkTask<Place: ParkingPlace>(in place: Place, _ ticket: Place.Ticket) async {
    await withTaskCancellationHandler {
        await withUnsafeContinuation { waiter in
            if !place.park(waiter, ticket) {
                waiter.resume()
            } else if !Place.remembersCancellation, Task.isCancelled {
                place.unpark(ticket)
            }
        }
    } onCancel: {
        place.unpark(ticket)
    }
}
