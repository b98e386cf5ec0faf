import P2PMultiaddr

/// The messages of NAT-PMP (RFC 6886, section 3).
enum NATPMPMessage {
    static let version: UInt8 = 0

    /// Asks for the gateway's outer address.
    static let addressRequest: [UInt8] = [version, 0]

    /// - Parameters:
    ///   - lifetime: seconds; 0 deletes the mapping, and then `suggested` is 0.
    ///   - suggested: the outer port that would be best; 0 for any.
    static func map(_ port: LocalPort, lifetime: UInt32, suggested: UInt16) -> [UInt8] {
        var bytes: [UInt8] = [self.version, self.opcode(port.transport), 0, 0]
        bytes.append(bigEndian: port.number)
        bytes.append(bigEndian: suggested)
        bytes.append(bigEndian: lifetime)
        return bytes
    }

    private static func opcode(_ transport: LocalPort.Transport) -> UInt8 { transport == .udp ? 1 : 2 }

    /// What a gateway answers.
    struct Response: Equatable {
        enum Body: Equatable {
            case address(IPAddress)
            case map(LocalPort, externalPort: UInt16, lifetime: UInt32)
            /// An error, which need not have more than its code.
            case other
        }

        let result: Result
        /// Seconds since the gateway began to remember mappings; nil in an answer that is cut short.
        let epoch: UInt32?
        let body: Body
    }

    /// A result code; open, since a gateway may send any.
    struct Result: Equatable, Hashable, CustomStringConvertible {
        let code: UInt16

        static let success = Result(code: 0)
        static let unsupportedVersion = Result(code: 1)
        static let networkFailure = Result(code: 3)
        static let outOfResources = Result(code: 4)

        /// Whether it may be otherwise in half a minute.
        var isShort: Bool { self == .networkFailure || self == .outOfResources }

        private static let names: [UInt16: String] = [
            1: "unsupported version", 2: "refused", 3: "network failure", 4: "out of resources", 5: "unsupported opcode",
        ]

        var description: String { Self.names[self.code] ?? "result \(self.code)" }
    }

    /// Reads a response; nil for what is none.
    static func read(_ bytes: [UInt8]) -> Response? {
        guard (4...16).contains(bytes.count), bytes[0] == self.version, bytes[1] & 0x80 != 0 else { return nil }
        let result = Result(code: bytes.number(at: 2))
        let epoch: UInt32? = bytes.count >= 8 ? bytes.number(at: 4) : nil
        let opcode = bytes[1] & 0x7f
        switch opcode {
        case 0 where bytes.count == 12:
            guard let address = IPAddress(bytes: bytes[8..<12]) else { return nil }
            return Response(result: result, epoch: epoch, body: .address(address))
        case 1 where bytes.count == 16, 2 where bytes.count == 16:
            let port = LocalPort(opcode == 1 ? .udp : .tcp, bytes.number(at: 8))
            return Response(
                result: result, epoch: epoch, body: .map(port, externalPort: bytes.number(at: 10), lifetime: bytes.number(at: 12)))
        default:
            guard result != .success else { return nil }
            return Response(result: result, epoch: epoch, body: .other)
        }
    }
}
