import P2PMultiformats

/// Takes one component after another from the binary form.
struct MultiaddrReader {
    private var rest: ArraySlice<UInt8>
    private var position = 0
    private var path: MultiaddrProtocol?

    init(_ bytes: [UInt8]) {
        self.rest = bytes[...]
    }

    /// The next component, checked; nil at the end.
    mutating func next() throws(MultiaddrError) -> MultiaddrComponent? {
        guard !self.rest.isEmpty else { return nil }
        let code = try self.varint("the protocol code", of: nil)
        guard let `protocol` = MultiaddrProtocol(code: code) else {
            throw MultiaddrError(.unknownProtocol, "code \(code) is not in the protocol table", position: self.position)
        }
        try Multiaddr.checkPlace(self.position, after: self.path, of: `protocol`.name)
        let length: UInt64
        switch `protocol`.size {
        case .none: length = 0
        case .fixed(let bits): length = UInt64(bits / 8)
        case .variable: length = try self.varint("the length", of: `protocol`)
        }
        guard length <= UInt64(self.rest.count) else {
            throw MultiaddrError(
                .truncated, "the value should have \(length) bytes, \(self.rest.count) are left", component: `protocol`.name,
                position: self.position)
        }
        let value = Array(self.rest.prefix(Int(length)))
        self.rest = self.rest.dropFirst(value.count)
        let component = try MultiaddrComponent(`protocol`, value: value, position: self.position)
        self.path = `protocol`.isPath ? `protocol` : nil
        self.position += 1
        return component
    }

    private mutating func varint(_ what: String, of protocol: MultiaddrProtocol?) throws(MultiaddrError) -> UInt64 {
        do throws(MultiformatsError) {
            let (value, length) = try UnsignedVarint.decode(self.rest)
            self.rest = self.rest.dropFirst(length)
            return value
        } catch {
            throw MultiaddrError(
                error.code == .truncated ? .truncated : .invalidVarint, "\(what): \(error.message)", component: `protocol`?.name,
                position: self.position)
        }
    }
}
