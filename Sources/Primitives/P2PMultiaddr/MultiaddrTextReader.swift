/// Takes one component after another from the text form.
struct MultiaddrTextReader {
    private static let slash = UInt8(ascii: "/")

    /// From the slash before the next component.
    private var rest: ArraySlice<UInt8>
    private var position = 0

    init(_ text: [UInt8]) throws(MultiaddrError) {
        guard !text.isEmpty else { throw MultiaddrError(.empty, "an address has at least one component") }
        guard text.first == Self.slash else {
            throw MultiaddrError(
                .malformed, "an address begins with a slash, this with \(InvalidValue.quoted(text.prefix(16)))", position: 0)
        }
        self.rest = text[...]
    }

    /// The next component; nil at the end, or when only a slash is left.
    mutating func next() throws(MultiaddrError) -> MultiaddrComponent? {
        guard self.rest.popFirst() != nil, !self.rest.isEmpty else { return nil }
        let name = self.segment()
        guard !name.isEmpty else { throw MultiaddrError(.malformed, "a protocol name is empty", position: self.position) }
        guard name.count <= 32, let `protocol` = MultiaddrProtocol(name: String(decoding: name, as: UTF8.self)) else {
            throw MultiaddrError(.unknownProtocol, "\(InvalidValue.quoted(name)) is not in the protocol table", position: self.position)
        }
        try Multiaddr.checkPlace(self.position, after: nil, of: `protocol`.name)
        let component: MultiaddrComponent
        if `protocol`.size == .none {
            component = MultiaddrComponent(`protocol`, validated: [])
        } else if `protocol`.isPath {
            component = try MultiaddrComponent(`protocol`, text: self.rest, position: self.position)
            self.rest = []
        } else {
            self.rest = self.rest.dropFirst()
            component = try MultiaddrComponent(`protocol`, text: self.segment(), position: self.position)
        }
        self.position += 1
        return component
    }

    /// Takes what stands before the next slash.
    private mutating func segment() -> ArraySlice<UInt8> {
        let segment = self.rest.prefix { $0 != Self.slash }
        self.rest = self.rest.dropFirst(segment.count)
        return segment
    }
}
