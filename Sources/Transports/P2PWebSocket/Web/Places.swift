import P2PCore
import P2PMultiaddr
import Synchronization

/// Bounds the users of a resource, in total and per address.
final class Places: Sendable {
    private struct State {
        var taken = 0
        var byAddress: [AddressKey: Int] = [:]
    }

    private let name: String
    private let limit: Int
    private let limitPerAddress: Int
    private let state = Mutex(State())

    /// - Parameter name: of the limit; the one per address is named after it.
    init(_ name: String, limit: Int, perAddress limitPerAddress: Int) {
        self.name = name
        self.limit = limit
        self.limitPerAddress = limitPerAddress
    }

    /// Takes one, if one is free.
    func take(for address: Multiaddr) throws(LimitError) -> Reservation {
        let key = AddressKey(address)
        try self.state.withLock { state throws(LimitError) in
            guard state.taken < self.limit else { throw LimitError(limit: self.name, value: self.limit) }
            if let key {
                let taken = state.byAddress[key, default: 0]
                guard taken < self.limitPerAddress else {
                    throw LimitError(limit: "\(self.name)PerAddress", value: self.limitPerAddress)
                }
                state.byAddress[key] = taken + 1
            }
            state.taken += 1
        }
        return Reservation { self.give(back: key) }
    }

    private func give(back key: AddressKey?) {
        self.state.withLock { state in
            state.taken -= 1
            guard let key, let taken = state.byAddress[key] else { return }
            state.byAddress[key] = taken > 1 ? taken - 1 : nil
        }
    }
}
