import NIOCore
import P2PMultiaddr
import P2PPipeline

/// SOCKS version 5 (RFC 1928), with a user and a password (RFC 1929) where there are some.
struct SOCKSDialogue {
    private static let version: UInt8 = 5
    private static let passwordVersion: UInt8 = 1

    private enum Method {
        static let none: UInt8 = 0
        static let password: UInt8 = 2
        static let noneAcceptable: UInt8 = 0xff
    }

    private enum AddressType {
        static let ip4: UInt8 = 1
        static let name: UInt8 = 3
        static let ip6: UInt8 = 4
    }

    private enum State {
        case greeted
        case authenticating
        case requested
        case done
    }

    private let target: ProxyTarget
    private let credentials: ProxyURL.Credentials?
    private var state = State.greeted
    /// The answer under way, at most 262 bytes.
    private var answer: [UInt8] = []

    init(_ target: ProxyTarget, credentials: ProxyURL.Credentials?) {
        self.target = target
        self.credentials = credentials
    }

    var opening: ByteBuffer {
        ByteBuffer(bytes: self.credentials == nil ? [Self.version, 1, Method.none] : [Self.version, 2, Method.none, Method.password])
    }

    mutating func received(_ bytes: inout ByteBuffer) throws(ProxyError) -> DialogueStep {
        while self.answer.count < self.needed {
            guard let byte = bytes.readInteger(as: UInt8.self) else { return .more }
            self.answer.append(byte)
            let expected = self.state == .authenticating ? Self.passwordVersion : Self.version
            guard self.answer[0] == expected else { throw .broken("it does not speak SOCKS 5: its answer begins with \(self.answer[0])") }
        }
        let answer = self.answer
        self.answer.removeAll(keepingCapacity: true)
        switch self.state {
        case .greeted: return try self.chosen(method: answer[1])
        case .authenticating:
            guard answer[1] == 0 else { throw .refused("it does not accept the user or the password") }
            return self.request()
        case .requested:
            guard answer[1] == 0 else { throw .refused("it could not connect: \(Self.reason(answer[1]))") }
            self.state = .done
            return .done
        case .done: return .done
        }
    }

    /// How long the answer is, as far as can be told.
    private var needed: Int {
        guard self.state == .requested else { return 2 }
        guard self.answer.count >= 5 else { return 5 }
        switch self.answer[3] {
        case AddressType.ip4: return 10
        case AddressType.ip6: return 22
        default: return 7 + Int(self.answer[4])
        }
    }

    private mutating func chosen(method: UInt8) throws(ProxyError) -> DialogueStep {
        switch (method, self.credentials) {
        case (Method.none, _): return self.request()
        case (Method.password, let credentials?):
            self.state = .authenticating
            var message = ByteBuffer(bytes: [Self.passwordVersion])
            for text in [credentials.user, credentials.password] {
                message.writeInteger(UInt8(truncatingIfNeeded: text.utf8.count))
                message.writeString(text)
            }
            return .send(message)
        case (Method.noneAcceptable, nil), (Method.password, nil): throw .refused("it wants to know who we are")
        case (Method.noneAcceptable, _): throw .refused("it accepts neither strangers nor a user and a password")
        default: throw .broken("it chose the method \(method), which was not offered")
        }
    }

    private mutating func request() -> DialogueStep {
        self.state = .requested
        var message = ByteBuffer(bytes: [Self.version, 1, 0])
        switch self.target.host {
        case .ip(let ip):
            message.writeInteger(ip.isIPv6 ? AddressType.ip6 : AddressType.ip4)
            message.writeBytes(ip.bytes)
        case .name(let name):
            message.writeMultipleIntegers(AddressType.name, UInt8(truncatingIfNeeded: name.utf8.count))
            message.writeString(name)
        }
        message.writeInteger(self.target.port)
        return .send(message)
    }

    /// RFC 1928, section 6.
    private static func reason(_ code: UInt8) -> String {
        switch code {
        case 1: "general failure"
        case 2: "its rules do not allow it"
        case 3: "network unreachable"
        case 4: "host unreachable"
        case 5: "connection refused"
        case 6: "time to live expired"
        case 7: "command not supported"
        case 8: "address type not supported"
        default: "reason \(code)"
        }
    }
}
