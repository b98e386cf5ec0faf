package import P2PCore

/// What a swarm may be told.
package struct SwarmConfiguration: Sendable {
    /// Addresses that one dial looks at; those beyond are left out.
    package static let maximumAddressesPerDial = 256
    /// Addresses that one dial does not try, and names in its error.
    package static let maximumRefusalsPerDial = 256
    /// Attempts that all dials together may have open beyond those that each of them has of its own (``DialLimits/ownPlaces``).
    package static let lentAttempts = 256
    /// What asking others where a peer is may take, if anybody waits for it that long.
    package static let lookUpTime = Duration.seconds(60)
    /// Lists of addresses (`/dnsaddr`) that one dial looks up; those beyond are left out.
    package static let maximumListsPerDial = 8

    package var limits: ResourceLimits
    /// Who has places of its own.
    package var known = KnownNetworks()
    /// What one address has to come to a connection within, handshakes included.
    package var handshakeTimeout: Duration
    package var ranker = DialRanker()

    package init(limits: ResourceLimits = ResourceLimits(), handshakeTimeout: Duration = .seconds(10)) {
        self.limits = limits
        self.handshakeTimeout = handshakeTimeout
    }
}
