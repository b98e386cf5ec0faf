package import NIOCore
package import P2PCore

/// When one relay is asked for a place, and how long the place is there; a value that is told the time.
///
/// A place is asked for anew at three quarters of its life, and is given up only when the relay's connection ends, its time is over, or the
/// relay says no. Refusals are asked about after 30 s, doubled each time up to 15 min (libp2p specs, "circuit-v2", leave it open); a relay
/// that is not there after a second, doubled up to a minute.
package struct ReservationSchedule: Sendable {
    package enum Step: Hashable, Sendable {
        case ask
        case wait(until: NIODeadline)
    }

    /// What came of asking, when it was no place.
    package enum Failure: Hashable, Sendable {
        /// The relay was not reached, or did not answer as one.
        case unreachable
        /// It has no place now.
        case refused
        /// It has none for this node.
        case denied
    }

    /// A place that is there.
    package struct Place: Hashable, Sendable {
        package let connection: ConnectionID
        package let until: NIODeadline
    }

    /// No place is asked for anew sooner, whatever life the relay gives it.
    package static let leastInterval = TimeAmount.seconds(5)
    /// What a relay's clock may say at most.
    package static let longestLife = TimeAmount.hours(24)
    /// A relay that was lost again so soon counts as one that fails.
    private static let steadyTime = TimeAmount.seconds(60)
    private static let refusalPauses: ClosedRange<Int64> = 30...900
    private static let absencePauses: ClosedRange<Int64> = 1...60

    package private(set) var place: Place?
    private var heldSince: NIODeadline?
    private var askAt = NIODeadline.uptimeNanoseconds(0)
    private var failures: Int64 = 0
    private var jitter: Jitter

    package init(seed: UInt64) { self.jitter = Jitter(seed: seed) }

    /// What is due now. A place whose time is over is gone after this.
    package mutating func next(at now: NIODeadline) -> Step {
        if let place = self.place, place.until <= now { self.lose() }
        if self.askAt <= now { return .ask }
        return .wait(until: min(self.askAt, self.place?.until ?? self.askAt))
    }

    package mutating func granted(for life: TimeAmount, on connection: ConnectionID, at now: NIODeadline) {
        let life = min(life, Self.longestLife)
        if self.place?.connection != connection { self.heldSince = now }
        self.place = Place(connection: connection, until: now + life)
        self.failures = 0
        self.askAt = now + max(Self.leastInterval, .nanoseconds(life.nanoseconds / 4 * 3))
    }

    package mutating func failed(_ failure: Failure, at now: NIODeadline) {
        self.failures += 1
        switch failure {
        case .unreachable: self.askAt = now + self.pause(Self.absencePauses)
        case .refused:
            // What the relay has given it keeps, as long as it does not know better.
            self.askAt = now + self.pause(Self.refusalPauses)
        case .denied:
            self.lose()
            self.askAt = now + self.pause(Self.refusalPauses.upperBound...Self.refusalPauses.upperBound)
        }
        // A place is worth another try before it ends.
        if let place = self.place { self.askAt = min(self.askAt, max(now + Self.leastInterval, place.until - Self.leastInterval)) }
    }

    /// A connection is over; true when that was the end of the place.
    package mutating func ended(_ connection: ConnectionID, at now: NIODeadline) -> Bool {
        guard let place = self.place, place.connection == connection else { return false }
        let isSteady = self.heldSince.map { now - $0 >= Self.steadyTime } ?? false
        self.lose()
        self.failures = isSteady ? 0 : self.failures + 1
        self.askAt = now + (self.failures == 0 ? .milliseconds(250) : self.pause(Self.absencePauses))
        return true
    }

    private mutating func lose() {
        self.place = nil
        self.heldSince = nil
    }

    /// Doubled with each failure, a fifth more or less.
    private mutating func pause(_ range: ClosedRange<Int64>) -> TimeAmount {
        let doublings = min(max(self.failures - 1, 0), 10)
        let seconds = min(range.upperBound, range.lowerBound << doublings)
        return self.jitter.milliseconds(seconds * 800...seconds * 1_200)
    }
}
