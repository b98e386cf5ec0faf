package import Logging
package import P2PCore

/// What a swarm works with.
package struct SwarmEnvironment: Sendable {
    /// The first that takes an address gets it.
    package var transports: [any Transport]
    package var gater: any ConnectionGater = OpenGater()
    package var peerstore: any Peerstore
    /// Look up lists of addresses (`/dnsaddr`); the first that answers counts.
    package var resolvers: [any AddressResolver] = []
    /// Are asked, side by side, where a peer is, once all that is known of it has failed or says nothing.
    package var finders: [any PeerFinding] = []
    package var events = HostEventBus()
    /// Hear of every dial, arrival and connection.
    package var observers = HostObservers()
    package var clock = HostClock.system
    /// What connections hold.
    package var memory = HeldMemory(.none)
    /// The networks that this machine is in, as they are when it is asked.
    package var networks: @Sendable () -> LocalNetworks = { .current() }
    /// Gives free pages back to the system.
    package var giveBackPages: @Sendable () -> Void = FreePages.giveBack
    package var logger: Logger
    /// Is called when the addresses change that this node listens on.
    package var onAddressChange: @Sendable () -> Void = {}

    package init(transports: [any Transport], peerstore: any Peerstore, logger: Logger) {
        self.transports = transports
        self.peerstore = peerstore
        self.logger = logger
    }
}
