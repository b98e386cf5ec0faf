import NIOCore
public import P2PCore
public import P2PIdentity
public import P2PMultiaddr

/// What every transport owes the host.
public struct TransportConformance: ConformanceSuite {
    /// One demand of the contract.
    public enum Case: String, CaseIterable, Sendable {
        case dialsAndListens
        case dialsWithoutExpectation
        case reportsRealAddresses
        case saysWhatItSpeaks
        case refusesTheWrongPeer
        case keepsTheDeadline
        case failsWhereNobodyListens
        case tellsOfItsProgress
        case closesOnCancellation
        case refusesWithoutAccept
        case refusesWhatIsDropped
        case acceptsOnce
        case carriesManyConnections
        case refusesAnAddressInUse
        case stopsListening
    }

    /// A transport, and who it speaks for.
    public struct Node: Sendable {
        /// Who the transport proves to be.
        public let peer: PeerID
        /// What is tested.
        public let transport: any Transport

        /// A side of the test: who it is, and its transport.
        public init(peer: PeerID, transport: any Transport) {
            self.peer = peer
            self.transport = transport
        }
    }

    /// How long a dial may take that is meant to run into its deadline.
    public var shortDeadline = Duration.milliseconds(200)
    /// Connections at once.
    public var connections = 20

    let listenAddress: Multiaddr
    let deadAddress: Multiaddr
    let foreignAddress: Multiaddr
    let makeNode: @Sendable () async throws -> Node

    /// - Parameters:
    ///   - listenAddress: can be listened on any number of times, such as `/ip4/127.0.0.1/tcp/0`.
    ///   - deadAddress: can be dialled, but nobody listens there.
    ///   - foreignAddress: belongs to another kind of transport.
    ///   - makeNode: makes a node with a fresh identity; all of them can reach each other.
    public init(
        listenAddress: Multiaddr, deadAddress: Multiaddr, foreignAddress: Multiaddr, makeNode: @escaping @Sendable () async throws -> Node
    ) {
        self.listenAddress = listenAddress
        self.deadAddress = deadAddress
        self.foreignAddress = foreignAddress
        self.makeNode = makeNode
    }

    /// A connection between two transports; the listener goes away once it is made.
    public static func connect(
        _ dialer: any Transport, to listening: any Transport, listeningOn address: Multiaddr, expecting peer: PeerID?
    ) async throws -> MuxerConformance.Pair {
        try await Self.withListener(listening, on: address) { address, arrivals in
            async let arrival = arrivals.next()
            async let dialled = dialer.dial(address, expecting: peer, options: DialOptions(deadline: .now() + .seconds(30)))
            guard let pending = await arrival else { throw ConformanceFailure("nothing arrived at \(address)") }
            let accepted = try await pending.accept()
            pending.release()
            return (try await dialled, accepted)
        }
    }

    /// Runs one case; throws a ``ConformanceFailure`` that says what did not hold.
    public func check(_ conformanceCase: Case) async throws {
        switch conformanceCase {
        case .dialsAndListens: try await self.dialsAndListens(expecting: true)
        case .dialsWithoutExpectation: try await self.dialsAndListens(expecting: false)
        case .reportsRealAddresses: try await self.reportsRealAddresses()
        case .saysWhatItSpeaks: try await self.saysWhatItSpeaks()
        case .refusesTheWrongPeer: try await self.refusesTheWrongPeer()
        case .keepsTheDeadline: try await self.keepsTheDeadline()
        case .failsWhereNobodyListens: try await self.failsWhereNobodyListens()
        case .tellsOfItsProgress: try await self.tellsOfItsProgress()
        case .closesOnCancellation: try await self.closesOnCancellation()
        case .refusesWithoutAccept: try await self.refuses { $0.refuse() }
        case .refusesWhatIsDropped: try await self.refuses { _ in }
        case .acceptsOnce: try await self.acceptsOnce()
        case .carriesManyConnections: try await self.carriesManyConnections()
        case .refusesAnAddressInUse: try await self.refusesAnAddressInUse()
        case .stopsListening: try await self.stopsListening()
        }
    }
}
