import P2PMultiaddr

/// The Port Control Protocol's messages, of which a client needs two (RFC 6887, sections 7 and 11).
enum PCPMessage {
    static let version: UInt8 = 2
    static let maximumLength = 1_100
    static let headerLength = 24
    static let mapLength = 60
    static let nonceLength = 12

    /// Nobody is asked to map anything: the answer tells the gateway's epoch.
    static func announce(client: IPAddress) -> [UInt8] {
        self.header(opcode: 0, lifetime: 0, client: client)
    }

    /// - Parameters:
    ///   - lifetime: seconds; 0 deletes the mapping.
    ///   - suggested: the outer port that would be best; 0 for any.
    static func map(
        _ port: LocalPort, nonce: [UInt8], lifetime: UInt32, suggested: UInt16, client: IPAddress
    ) -> [UInt8] {
        var bytes = self.header(opcode: 1, lifetime: lifetime, client: client)
        bytes += nonce
        bytes += [port.transport.number, 0, 0, 0]
        bytes.append(bigEndian: port.number)
        bytes.append(bigEndian: suggested)
        bytes += self.mapped(client.isIPv4 ? .unspecifiedV4 : .unspecifiedV6)
        return bytes
    }

    private static func header(opcode: UInt8, lifetime: UInt32, client: IPAddress) -> [UInt8] {
        var bytes: [UInt8] = [self.version, opcode, 0, 0]
        bytes.append(bigEndian: lifetime)
        bytes += self.mapped(client)
        return bytes
    }

    /// IPv4 addresses travel as `::ffff:a.b.c.d`.
    private static func mapped(_ address: IPAddress) -> [UInt8] {
        address.isIPv4 ? [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + address.bytes : address.bytes
    }

    /// What a gateway answers.
    struct Response: Equatable {
        enum Body: Equatable {
            case announce
            case map(Map)
            /// Another opcode, or one cut short by an error.
            case other
        }

        let result: Result
        /// Seconds: of the mapping, or for which the error holds.
        let lifetime: UInt32
        /// Seconds since the gateway began to remember mappings.
        let epoch: UInt32
        let body: Body
    }

    struct Map: Equatable {
        let nonce: [UInt8]
        let transport: UInt8
        let internalPort: UInt16
        let externalPort: UInt16
        let externalAddress: IPAddress
    }

    /// A result code; open, since a gateway may send any.
    struct Result: Equatable, Hashable, CustomStringConvertible {
        let code: UInt8

        static let success = Result(code: 0)
        static let unsupportedVersion = Result(code: 1)
        static let networkFailure = Result(code: 7)
        static let noResources = Result(code: 8)
        static let userExceededQuota = Result(code: 10)
        static let addressMismatch = Result(code: 12)

        /// Whether it may be otherwise in half a minute.
        var isShort: Bool { [.networkFailure, .noResources, .userExceededQuota].contains(self) }

        private static let names: [UInt8: String] = [
            1: "UNSUPP_VERSION", 2: "NOT_AUTHORIZED", 3: "MALFORMED_REQUEST", 4: "UNSUPP_OPCODE", 5: "UNSUPP_OPTION", 6: "MALFORMED_OPTION",
            7: "NETWORK_FAILURE", 8: "NO_RESOURCES", 9: "UNSUPP_PROTOCOL", 10: "USER_EX_QUOTA", 11: "CANNOT_PROVIDE_EXTERNAL",
            12: "ADDRESS_MISMATCH", 13: "EXCESSIVE_REMOTE_PEERS",
        ]

        var description: String { Self.names[self.code] ?? "result \(self.code)" }
    }

    /// Reads a response; nil for what is none, or has a length that none has.
    static func read(_ bytes: [UInt8]) -> Response? {
        guard (self.headerLength...self.maximumLength).contains(bytes.count), bytes.count % 4 == 0, bytes[0] == self.version,
            bytes[1] & 0x80 != 0
        else { return nil }
        let result = Result(code: bytes[3])
        let body: Response.Body
        switch bytes[1] & 0x7f {
        case 0: body = .announce
        case 1 where bytes.count >= self.mapLength:
            guard let address = IPAddress(bytes: bytes[44..<60]) else { return nil }
            body = .map(
                Map(
                    nonce: Array(bytes[24..<36]), transport: bytes[36], internalPort: bytes.number(at: 40),
                    externalPort: bytes.number(at: 42), externalAddress: address.unmapped))
        default: body = .other
        }
        return Response(result: result, lifetime: bytes.number(at: 4), epoch: bytes.number(at: 8), body: body)
    }
}
