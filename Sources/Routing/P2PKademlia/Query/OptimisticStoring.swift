import P2PIdentity

/// Whom to tell before a look-up is over, and when there is no need to go on with it (go-libp2p-kad-dht, "optimistic provide").
///
/// A value. With an estimate of the network's size it can be said of a peer how probable it is that it is one of the nearest: those are told at once. The look-up is over when
/// enough have been, or when the nearest that are known are as near as the nearest should be.
package struct OptimisticStoring: Sendable {
    /// What follows from what a look-up knows.
    package struct Step: Sendable {
        /// Tell these now.
        package var tell: [Lookup.Contact] = []
        /// The look-up need not go on.
        package var isEnough = false
    }

    /// How many of the nearest are to know it before somebody waits for it no more, as a part of all.
    private static let returnPart = 0.75

    private let count: Int
    private let size: Double
    private let near: Double
    private let nearOnAverage: Double
    private var told: Set<PeerID> = []

    /// - Parameters:
    ///   - size: how many servers the network has; nil when nothing is known of it, and then there is no such shortcut.
    ///   - count: how many are to be told (Kademlia's k).
    package init?(size: Double?, count: Int) {
        guard let size, size > 0, count > 1 else { return nil }
        self.count = count
        self.size = size
        self.near = Self.gammaQuantile(Double(count), deviations: -Self.deviations) / size
        self.nearOnAverage = Self.gammaQuantile(Double(count) / 2 + 1, deviations: Self.deviations) / size
    }

    /// How many have to have taken note before it returns.
    package var returnThreshold: Int { Int((Double(self.count) * Self.returnPart).rounded(.up)) }

    /// Takes in what is known.
    ///
    /// - Parameter nearest: those that have answered, or may still, the nearest first.
    package mutating func next(_ nearest: [Lookup.Hope]) -> Step {
        var step = Step()
        let nearest = nearest.prefix(self.count)
        // Twenty that lie nearer than chance has them may have been made for the place: nothing is cut short then.
        guard let last = nearest.last,
            nearest.count < self.count || last.distance >= Double(self.count) / self.size * NetworkSize.crowding
        else { return step }
        for hope in nearest where hope.isProved && hope.distance <= self.near && self.told.insert(hope.contact.peer).inserted {
            step.tell.append(hope.contact)
        }
        let mean = nearest.reduce(0) { $0 + $1.distance } / Double(nearest.count)
        step.isEnough = self.told.count > self.returnThreshold || nearest.count == self.count && mean < self.nearOnAverage
        return step
    }

    /// Those of the nearest that have not been told.
    package mutating func rest(_ nearest: [Lookup.Hope]) -> [Lookup.Contact] {
        nearest.prefix(self.count).map(\.contact).filter { self.told.insert($0.peer).inserted }
    }

    /// A tenth lies beyond so many standard deviations.
    private static let deviations = 1.281_55

    /// The quantile of the gamma distribution with that shape and scale 1 (Wilson and Hilferty's approximation: within a hundredth for shapes of 5 and more).
    private static func gammaQuantile(_ shape: Double, deviations: Double) -> Double {
        let root = 1 - 1 / (9 * shape) + deviations / (3 * shape.squareRoot())
        return shape * root * root * root
    }
}
