import NIOCore
import P2PCore
import P2PMultiaddr

/// The server's side of SOCKS 5 (RFC 1928), from the greeting to the request: bytes in, an answer out. No socket, no peer.
struct SOCKSSession: Sendable {
    /// The reply's second byte (RFC 1928, section 6).
    enum Reply: UInt8, Sendable {
        case succeeded = 0
        case failed = 1
        case denied = 2
        case networkUnreachable = 3
        case hostUnreachable = 4
        case refused = 5
        case timedOut = 6
        case commandUnsupported = 7
        case addressUnsupported = 8

        init(_ error: TunnelError) {
            self =
                switch error.code {
                case .denied: .denied
                case .unreachable, .unresolvable, .peerUnreachable: .hostUnreachable
                case .refused: .refused
                case .timedOut: .timedOut
                case .unsupported: .commandUnsupported
                default: .failed
                }
        }
    }

    /// What a program asks for.
    enum Request: Sendable, Hashable {
        case connect(host: String, port: UInt16)
        /// A relay for datagrams; what is named is where the program will send from, if it knows.
        case associate
    }

    /// What is to be done with what came.
    enum Step: Sendable {
        /// More has to come.
        case more
        /// Send that; then ask again.
        case reply(ByteBuffer)
        case request(Request)
        /// Send that, and close.
        case refuse(ByteBuffer)
    }

    private enum State { case greeting, request, done }

    /// The longest request has this many bytes.
    static let maximumSize = 262
    private static let version: UInt8 = 5
    private var state = State.greeting

    /// Whether all is said: what comes then is the tunnel's.
    var isDone: Bool { self.state == .done }

    /// Takes what came; what it does not use stays in `input`.
    mutating func received(_ input: inout ByteBuffer) -> Step {
        switch self.state {
        case .greeting: self.greeting(&input)
        case .request: self.request(&input)
        case .done: .more
        }
    }

    private mutating func greeting(_ input: inout ByteBuffer) -> Step {
        guard let version = input.getInteger(at: input.readerIndex, as: UInt8.self) else { return .more }
        // Programs of another protocol are not answered in this one.
        guard version == Self.version else { return self.end(ByteBuffer()) }
        guard let count = input.getInteger(at: input.readerIndex + 1, as: UInt8.self),
            let methods = input.getBytes(at: input.readerIndex + 2, length: Int(count))
        else { return .more }
        input.moveReaderIndex(forwardBy: 2 + Int(count))
        guard methods.contains(0) else { return self.end(ByteBuffer(bytes: [Self.version, 0xff])) }
        self.state = .request
        return .reply(ByteBuffer(bytes: [Self.version, 0]))
    }

    private mutating func request(_ input: inout ByteBuffer) -> Step {
        var rest = input
        guard let version = rest.readInteger(as: UInt8.self) else { return .more }
        guard version == Self.version else { return self.end(Self.encode(.failed)) }
        guard let command = rest.readInteger(as: UInt8.self), rest.readInteger(as: UInt8.self) != nil else { return .more }
        switch Self.address(&rest) {
        case .more: return .more
        case .unknown: return self.end(Self.encode(.addressUnsupported))
        case .found(let host, let port):
            input = rest
            self.state = .done
            switch command {
            case 1:
                return host.isEmpty || port == 0 ? self.end(Self.encode(.addressUnsupported)) : .request(.connect(host: host, port: port))
            case 3: return .request(.associate)
            default: return self.end(Self.encode(.commandUnsupported))
            }
        }
    }

    private mutating func end(_ reply: ByteBuffer) -> Step {
        self.state = .done
        return .refuse(reply)
    }

    // MARK: Addresses

    enum Address: Sendable, Hashable {
        case more
        case unknown
        case found(host: String, port: UInt16)
    }

    /// Reads an address and a port as requests and datagrams have them (section 5).
    static func address(_ input: inout ByteBuffer) -> Address {
        guard let type = input.readInteger(as: UInt8.self) else { return .more }
        let host: String
        switch type {
        case 1, 4:
            guard let bytes = input.readBytes(length: type == 1 ? 4 : 16) else { return .more }
            guard let ip = IPAddress(bytes: bytes[...]) else { return .unknown }
            host = "\(ip)"
        case 3:
            guard let length = input.readInteger(as: UInt8.self), let bytes = input.readSlice(length: Int(length)) else { return .more }
            guard let name = bytes.text(), name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return .unknown }
            host = name
        default: return .unknown
        }
        guard let port = input.readInteger(as: UInt16.self) else { return .more }
        return .found(host: host, port: port)
    }

    /// A reply; the address in it is where the server has bound, or nowhere.
    static func encode(_ reply: Reply, bound: SocketAddress? = nil) -> ByteBuffer {
        var bytes = ByteBuffer(bytes: [Self.version, reply.rawValue, 0])
        bytes.writeSOCKSAddress(bound)
        return bytes
    }
}

extension ByteBuffer {
    /// Writes an address as SOCKS has it; nil is 0.0.0.0:0.
    mutating func writeSOCKSAddress(_ address: SocketAddress?) {
        guard let ip = address?.ip else {
            self.writeBytes([1, 0, 0, 0, 0, 0, 0])
            return
        }
        self.writeInteger(UInt8(ip.isIPv6 ? 4 : 1))
        self.writeBytes(ip.bytes)
        self.writeInteger(UInt16(clamping: address?.port ?? 0))
    }
}
