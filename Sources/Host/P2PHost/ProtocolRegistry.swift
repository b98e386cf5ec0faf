import P2PCore
import P2PNegotiation
import Synchronization

/// A handler with everything that a stream asks of it, read once.
final class ServedProtocol: Sendable {
    let handler: any ProtocolHandler
    let placement: HandlerPlacement
    let limits: StreamLimits
    let servesLimitedConnections: Bool

    init(_ handler: any ProtocolHandler) {
        self.handler = handler
        self.placement = handler.placement
        self.limits = handler.limits
        self.servesLimitedConnections = handler.servesLimitedConnections
    }
}

/// What a host serves at a moment; made anew when a handler is registered, shared by every stream until then.
final class ServedProtocols: Sendable {
    /// In the order of registration.
    let protocolIDs: [ProtocolID]
    /// For ordinary connections.
    let table: NegotiationTable
    /// For connections that a relay lends.
    let limitedTable: NegotiationTable
    private let served: [ProtocolID: ServedProtocol]

    init(_ handlers: [ServedProtocol]) {
        var served: [ProtocolID: ServedProtocol] = [:]
        for handler in handlers {
            for protocolID in handler.handler.protocolIDs { served[protocolID] = handler }
        }
        self.served = served
        self.protocolIDs = handlers.flatMap(\.handler.protocolIDs)
        self.table = NegotiationTable(self.protocolIDs)
        self.limitedTable = NegotiationTable(handlers.filter(\.servesLimitedConnections).flatMap(\.handler.protocolIDs))
    }

    subscript(protocolID: ProtocolID) -> ServedProtocol? { self.served[protocolID] }
}

/// Who serves what, and how proposals look on the wire.
final class ProtocolRegistry: Sendable {
    private struct State {
        var handlers: [ServedProtocol] = []
        var served = ServedProtocols([])
        var greetings: [any ConnectionGreeting] = []
        var proposals: [ProtocolID: NegotiationTable.Entry] = [:]
    }

    /// Proposals whose messages are kept; those beyond are made anew each time.
    private static let proposalLimit = 256

    private let state = Mutex(State())

    var served: ServedProtocols { self.state.withLock { $0.served } }
    var greetings: [any ConnectionGreeting] { self.state.withLock { $0.greetings } }

    func register(_ handler: any ProtocolHandler) throws(HostError) {
        let protocolIDs = handler.protocolIDs
        guard !protocolIDs.isEmpty else { throw HostError(.invalidProtocol, "the handler names no protocol") }
        if let objection = NegotiationTable.objection(to: protocolIDs) {
            throw HostError(.invalidProtocol, objection.message, cause: objection)
        }
        let taken = self.state.withLock { state -> ProtocolID? in
            if let taken = protocolIDs.first(where: { state.served[$0] != nil }) { return taken }
            state.handlers.append(ServedProtocol(handler))
            state.served = ServedProtocols(state.handlers)
            return nil
        }
        if let taken { throw HostError(.protocolTaken, "another handler serves \(taken)") }
    }

    func register(greeting: any ConnectionGreeting) {
        self.state.withLock { $0.greetings.append(greeting) }
    }

    /// Lets go of everybody, since handlers and greetings often hold the host.
    func clear() {
        self.state.withLock { $0 = State() }
    }

    /// The messages that propose a protocol.
    func proposal(of protocolID: ProtocolID) -> NegotiationTable.Entry {
        if let entry = self.state.withLock({ $0.proposals[protocolID] }) { return entry }
        let entry = NegotiationTable.entry(protocolID)
        self.state.withLock { state in
            if state.proposals.count < Self.proposalLimit { state.proposals[protocolID] = entry }
        }
        return entry
    }
}
