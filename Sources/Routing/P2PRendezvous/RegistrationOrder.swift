import P2PIdentity

/// Registrations in the order in which they were made, so that whoever discovers is told what is new without a look at everything.
///
/// A value. What is no longer there is skipped, and swept out when it is the half: so a change costs the same however many there are.
struct RegistrationOrder: Sendable {
    struct Item: Sendable {
        let number: UInt64
        let namespace: String
        let peer: PeerID
    }

    private var items: [Item] = []
    private var gone = 0

    var isEmpty: Bool { self.items.count == self.gone }

    /// Adds one whose number is higher than all before.
    mutating func append(_ item: Item) { self.items.append(item) }

    /// One is there no more.
    ///
    /// - Parameter isThere: says of those that are left whether they are.
    mutating func remove(isThere: (Item) -> Bool) {
        self.gone += 1
        guard self.gone > 16, self.gone > self.items.count / 2 else { return }
        self.items.removeAll { !isThere($0) }
        self.gone = 0
    }

    /// Those with a higher number, and those that are no longer there among them, in order.
    func after(_ number: UInt64) -> ArraySlice<Item> {
        var (low, high) = (0, self.items.count)
        while low < high {
            let middle = (low + high) / 2
            if self.items[middle].number <= number { low = middle + 1 } else { high = middle }
        }
        return self.items[low...]
    }
}
