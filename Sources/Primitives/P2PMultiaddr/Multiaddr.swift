import P2PMultiformats

/// A network address that describes itself: a path of protocols and their values (multiaddr spec).
///
/// A value over its canonical binary form. Text and bytes that come from elsewhere are checked whole, so every address that exists can be
/// written either way and read back as the same one; only the empty address, the start of composing one, has no accepted form.
public struct Multiaddr: Hashable, Sendable {
    /// The longest binary form, in bytes. An identify message, 8 KiB at most, carries several; the longest address in real use, a garlic
    /// destination with certificate hashes, has under 1 KiB.
    public static let maxLength = 4096
    /// The longest text, in bytes: what `maxLength` bytes can need at most (percent-encoding triples them), rounded up.
    public static let maxTextLength = 16_384
    /// The most components; relayed WebTransport with zone, hashes and peer ids has about 15.
    public static let maxComponents = 32

    /// The binary form.
    public let bytes: [UInt8]

    /// Bytes that are known to be valid.
    init(validated bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The address without components: what is left when everything is taken away. Its text is `/`, which no parser accepts.
    public static let empty = Multiaddr(validated: [])

    /// Parses the text form. One slash at the end is ignored; `/ipfs/` is read as `/p2p/`.
    ///
    /// - Throws: an error that names the component and its position.
    public init(_ text: String) throws(MultiaddrError) {
        let length = text.utf8.count
        guard length <= Self.maxTextLength else {
            throw MultiaddrError(.tooLong, "\(length) bytes of text are beyond the limit of \(Self.maxTextLength)")
        }
        var reader = try MultiaddrTextReader(Array(text.utf8))
        var components: [MultiaddrComponent] = []
        while let component = try reader.next() {
            components.append(component)
        }
        guard !components.isEmpty else { throw MultiaddrError(.empty, "an address has at least one component") }
        try self.init(components)
    }

    /// Reads the binary form, which takes up all of `bytes`.
    ///
    /// - Throws: an error that names the component and its position.
    public init(bytes: some Collection<UInt8>) throws(MultiaddrError) {
        let length = bytes.count
        guard length <= Self.maxLength else {
            throw MultiaddrError(.tooLong, "\(length) bytes are beyond the limit of \(Self.maxLength)")
        }
        guard length > 0 else { throw MultiaddrError(.empty, "an address has at least one component") }
        let bytes = Array(bytes)
        var reader = MultiaddrReader(bytes)
        while try reader.next() != nil {}
        self.bytes = bytes
    }

    /// Joins components; none give the empty address.
    ///
    /// - Throws: `.tooManyComponents`, `.tooLong`, or `.afterPath` when one follows a `unix` path.
    public init(_ components: some Sequence<MultiaddrComponent>) throws(MultiaddrError) {
        var bytes: [UInt8] = []
        var count = 0
        var path: MultiaddrProtocol?
        for component in components {
            try Self.checkPlace(count, after: path, of: component.protocol.name)
            component.append(to: &bytes)
            guard bytes.count <= Self.maxLength else {
                throw MultiaddrError(
                    .tooLong, "the address grows beyond the limit of \(Self.maxLength) bytes", component: component.protocol.name,
                    position: count)
            }
            path = component.protocol.isPath ? component.protocol : nil
            count += 1
        }
        self.bytes = bytes
    }

    /// Throws unless a component may stand at `position`.
    static func checkPlace(_ position: Int, after path: MultiaddrProtocol?, of name: String) throws(MultiaddrError) {
        guard position < Self.maxComponents else {
            throw MultiaddrError(
                .tooManyComponents, "an address has at most \(Self.maxComponents) components", component: name, position: position)
        }
        if let path {
            throw MultiaddrError(.afterPath, "nothing may follow a /\(path) path", component: name, position: position)
        }
    }

    /// The components in order; decoded anew at each call.
    public var components: [MultiaddrComponent] {
        var components: [MultiaddrComponent] = []
        components.reserveCapacity(4)
        for head in self.heads { components.append(self.component(head)) }
        return components
    }

    /// Whether there is no component.
    public var isEmpty: Bool { self.bytes.isEmpty }

    /// Whether a component of this protocol occurs.
    public func contains(_ protocol: MultiaddrProtocol) -> Bool {
        self.heads.contains { $0.protocol == `protocol` }
    }
}

extension Multiaddr: CustomStringConvertible {
    /// The text form: `/ip4/127.0.0.1/tcp/4001`.
    public var description: String { self.isEmpty ? "/" : self.components.map(\.description).joined() }
}

extension Multiaddr: Codable {
    /// Reads the address from its text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(MultiaddrError) {
            self = try Multiaddr(text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    /// Writes the address as text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}
