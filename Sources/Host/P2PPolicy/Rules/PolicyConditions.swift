public import P2PIdentity
public import P2PMultiaddr

/// For whom, from where and for how long a rule holds. What is empty or nil asks nothing.
public struct PolicyConditions: Hashable, Sendable {
    /// Only for these peers (`peer=`).
    public var peers: [PeerID] = []
    /// Only for who comes from these addresses (`from=`).
    public var networks: [IPNetwork] = []
    /// Only for the program of that name (`app=`).
    public var app: String?
    /// Only before that moment, in seconds since 1970 (`until=`).
    public var deadline: Int64?
    /// At most so many at a time (`max=`).
    public var maximum: Int?

    /// Without any.
    public init() {}

    /// Whether they hold for who asks. ``maximum`` is not looked at.
    func hold(for asker: PolicyAsker) -> Bool {
        if !self.peers.isEmpty {
            guard let peer = asker.peer, self.peers.contains(peer) else { return false }
        }
        if !self.networks.isEmpty {
            guard let address = asker.address, self.networks.contain(address) else { return false }
        }
        if let app { guard asker.app == app else { return false } }
        if let deadline { guard asker.time < deadline else { return false } }
        return true
    }
}
