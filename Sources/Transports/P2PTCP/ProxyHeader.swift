package import NIOCore
package import P2PCore
package import P2PMultiaddr

/// What a proxy says of a connection before it passes on the client's bytes: the PROXY protocol, versions 1 and 2
/// (haproxy.org, `proxy-protocol.txt`). A value, read strictly.
package enum ProxyHeader: Equatable, Sendable {
    /// The proxy connects for itself, or does not say for whom.
    case local
    /// It connects for that client.
    case client(IPAddress, port: UInt16)

    /// What the first bytes of a connection are.
    package enum Reading: Equatable, Sendable {
        /// They could be a header, and do not suffice.
        case more
        /// They are not the beginning of one.
        case none
        /// A header of so many bytes.
        case header(ProxyHeader, length: Int)
    }

    /// The longest header of version 1, its end of line included (section 2.1).
    package static let maximumText = 107
    /// The longest header of version 2 that is accepted, with what vendors add to it.
    package static let maximumBinary = 4_096

    private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
    private static let word = Array("PROXY ".utf8)

    /// Looks at everything that has come so far.
    package static func read(_ bytes: ByteBuffer) throws(ProxyHeaderError) -> Reading {
        let view = bytes.readableBytesView
        if view.prefix(Self.signature.count).elementsEqual(Self.signature.prefix(view.count)) {
            return view.count < Self.signature.count ? .more : try Self.readBinary(bytes)
        }
        if view.prefix(Self.word.count).elementsEqual(Self.word.prefix(view.count)) {
            return view.count < Self.word.count ? .more : try Self.readText(view)
        }
        return .none
    }

    // MARK: Version 1

    private static func readText(_ view: ByteBufferView) throws(ProxyHeaderError) -> Reading {
        guard let end = view.prefix(Self.maximumText).firstIndex(of: 0x0a) else {
            guard view.count < Self.maximumText else { throw .malformed("its line is longer than \(Self.maximumText) bytes") }
            return .more
        }
        let length = end - view.startIndex + 1
        let line = view[..<end]
        guard line.last == 0x0d else { throw .malformed("its line ends without a carriage return") }
        let words = line.dropLast().split(separator: 0x20, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        switch words[1] {
        case "UNKNOWN": return .header(.local, length: length)
        case "TCP4", "TCP6":
            guard words.count == 6, let client = IPAddress(words[2]), let server = IPAddress(words[3]),
                client.isIPv4 == (words[1] == "TCP4"), server.isIPv4 == client.isIPv4, let port = Self.port(words[4]),
                Self.port(words[5]) != nil
            else { throw .malformed("its line does not hold two addresses and two ports") }
            return .header(try Self.client(client, port), length: length)
        default: throw .malformed("its line names no protocol that it may")
        }
    }

    /// Digits without a leading zero.
    private static func port(_ text: String) -> UInt16? {
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), text == "0" || text.first != "0"
        else { return nil }
        return UInt16(text)
    }

    // MARK: Version 2

    private static func readBinary(_ bytes: ByteBuffer) throws(ProxyHeaderError) -> Reading {
        var bytes = bytes
        bytes.moveReaderIndex(forwardBy: Self.signature.count)
        guard let command = bytes.readInteger(as: UInt8.self), let kind = bytes.readInteger(as: UInt8.self),
            let length = bytes.readInteger(as: UInt16.self).map(Int.init)
        else { return .more }
        guard command >> 4 == 2 else { throw .malformed("its version is \(command >> 4)") }
        guard command & 0x0f <= 1 else { throw .malformed("its command is \(command & 0x0f)") }
        let whole = Self.signature.count + 4 + length
        guard whole <= Self.maximumBinary else { throw .malformed("it is longer than \(Self.maximumBinary) bytes") }
        guard var block = bytes.readSlice(length: length) else { return .more }
        // What a proxy connects for itself may say anything about addresses, which is to be skipped.
        guard command & 0x0f == 1 else { return .header(.local, length: whole) }
        let header: ProxyHeader
        switch kind {
        case 0x11: header = try Self.readClient(&block, size: 4)
        case 0x21: header = try Self.readClient(&block, size: 16)
        case 0x00: return .header(.local, length: whole)
        case 0x31:
            guard block.readSlice(length: 216) != nil else { throw .malformed("two paths do not fit into it") }
            header = .local
        default: throw .malformed("it is of no kind of stream: \(kind)")
        }
        try Self.skipExtensions(block)
        return .header(header, length: whole)
    }

    private static func readClient(_ block: inout ByteBuffer, size: Int) throws(ProxyHeaderError) -> ProxyHeader {
        guard let client = block.readSlice(length: size).flatMap({ IPAddress(bytes: $0.readableBytesView) }),
            block.readSlice(length: size) != nil, let port = block.readInteger(as: UInt16.self), block.readInteger(as: UInt16.self) != nil
        else { throw .malformed("two addresses and two ports do not fit into it") }
        return try Self.client(client, port)
    }

    /// Types, lengths and values (section 2.2.7), none of which is of interest here.
    private static func skipExtensions(_ block: ByteBuffer) throws(ProxyHeaderError) {
        var block = block
        while block.readableBytes > 0 {
            guard block.readInteger(as: UInt8.self) != nil, let length = block.readInteger(as: UInt16.self).map(Int.init),
                block.readSlice(length: length) != nil
            else { throw .malformed("what it holds beside addresses is cut off") }
        }
    }

    private static func client(_ ip: IPAddress, _ port: UInt16) throws(ProxyHeaderError) -> ProxyHeader {
        let ip = ip.unmapped
        guard !ip.isUnspecified, !ip.isMulticast else { throw .malformed("nobody connects from \(ip)") }
        return .client(ip, port: port)
    }
}

/// Why what a proxy said of its client was not understood.
package typealias ProxyHeaderError = CodedFailure<ProxyHeader>

extension ProxyHeaderError.Code {
    /// It breaks the grammar of the PROXY protocol, or a limit.
    package static var malformed: Self { Self("malformed") }
    /// The connection ended first, or took too long.
    package static var closed: Self { Self("closed") }
}

extension ProxyHeaderError {
    static func malformed(_ reason: String) -> Self { Self(.malformed, "the header of the PROXY protocol is malformed: \(reason)") }
}
