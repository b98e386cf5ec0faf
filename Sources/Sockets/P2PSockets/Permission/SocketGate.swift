import Synchronization

/// Who is asked before a socket does anything: nothing is sent, looked up or bound before it is granted.
///
/// A name is asked for as a name, then once for each address to which it leads; exactly those that are granted are tried. The last question
/// before a socket opens brings a ``SocketHold``, for gates that count what is there or take grants back.
public protocol SocketGate: Sendable {
    /// Whether it may be done.
    ///
    /// - Parameter hold: the socket that will be open if it may; nil for a question before that.
    func decide(_ question: SocketQuestion, for hold: SocketHold?) async -> SocketAnswer

    /// The socket is gone.
    func ended(_ hold: SocketHold)
}

/// What a socket is to do.
public struct SocketQuestion: Hashable, Sendable, CustomStringConvertible {
    /// What kind of thing, as policies name it.
    public enum Capability: String, Hashable, Sendable {
        /// A connection is made.
        case tcpConnect = "tcp-connect"
        /// Datagrams are sent to somewhere.
        case udpConnect = "udp-connect"
        /// A port is bound for connections.
        case tcpListen = "tcp-listen"
        /// A port is bound for datagrams.
        case udpListen = "udp-listen"
    }

    /// What is to be done.
    public var capability: Capability
    /// A name as it was asked for, or a numeric address.
    public var host: String
    /// The port; 0 is the system's choice.
    public var port: Int
    /// The numeric address to which a name leads; nil before that is known, and where no name was asked for.
    public var leadsTo: String?

    /// The parts, as documented above.
    public init(_ capability: Capability, host: String, port: Int, leadsTo: String? = nil) {
        self.capability = capability
        self.host = host
        self.port = port
        self.leadsTo = leadsTo
    }

    /// What is to be done, as a rule would say it.
    public var description: String {
        "\(self.capability.rawValue):" + (self.host.contains(":") ? "[\(self.host)]" : self.host) + ":\(self.port)"
    }
}

/// What a gate says.
public enum SocketAnswer: Hashable, Sendable {
    /// It may be done.
    case granted
    /// It may not; the text is the message of the error.
    case refused(String)
}

/// A socket that is open, as gates know it.
public final class SocketHold: Sendable {
    private struct State {
        var end: (@Sendable (String) -> Void)?
        var reason: String?
    }

    private let state = Mutex(State())

    init() {}

    /// What was granted is so no longer: ends the socket at once, with `permissionDenied` and that text.
    public func revoke(_ reason: String) {
        let end = self.state.withLock { state in
            state.reason = reason
            return state.end
        }
        end?(reason)
    }

    /// Says what ends the socket; at once if it was taken back before.
    func onRevocation(_ end: @escaping @Sendable (String) -> Void) {
        let reason = self.state.withLock { state in
            state.end = end
            return state.reason
        }
        if let reason { end(reason) }
    }
}

extension SocketGate? {
    /// Asks, where there is somebody to be asked.
    func check(_ question: SocketQuestion, for hold: SocketHold? = nil) async throws(SocketError) {
        guard let self, case .refused(let text) = await self.decide(question, for: hold) else { return }
        throw SocketError(.permissionDenied, text)
    }
}
