/// What local discovery may be told.
public struct MDNSConfiguration: Sendable {
    /// The only interfaces to use, by name; empty for every one that can carry multicast, as they come and go.
    public var interfaces: Set<String>
    /// A private network's fingerprint, which makes it a service of its own (`_p2p-<fingerprint>._udp.local`), so that nodes
    /// without the key neither see nor disturb it; nil for the public one.
    public var networkFingerprint: String?
    /// The first label of the service's name, such as `_p2p`, in the place of what ``networkFingerprint`` gives: for private networks with
    /// peers that announce themselves under the public name, as kubo does. Nil leaves it to that.
    public var serviceName: String?
    /// How often the interfaces and this node's addresses are looked at.
    public var watchInterval: Duration

    /// The defaults use every interface.
    public init(
        interfaces: Set<String> = [], networkFingerprint: String? = nil, serviceName: String? = nil, watchInterval: Duration = .seconds(1)
    ) {
        self.interfaces = interfaces
        self.networkFingerprint = networkFingerprint
        self.serviceName = serviceName
        self.watchInterval = watchInterval
    }

    /// The first label of the service's name.
    var service: String { self.serviceName ?? self.networkFingerprint.map { "_p2p-\($0)" } ?? "_p2p" }
}
