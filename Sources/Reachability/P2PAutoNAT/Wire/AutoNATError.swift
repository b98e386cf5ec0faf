import P2PProtobuf

/// What is wrong with what a peer said.
package struct AutoNATError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    static let malformed = AutoNATError("the message is malformed")
}

extension ProtobufReader {
    /// The next field, as part of a message of AutoNAT; nil at the end.
    mutating func nextField() throws(AutoNATError) -> (field: Int, value: Value)? {
        do throws(ProtobufError) {
            return try self.next().map { ($0.number, $0.value) }
        } catch {
            throw .malformed
        }
    }
}

extension ProtobufWriter {
    /// A message within, as `body` writes it.
    mutating func write(_ number: Int, _ body: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        body(&inner)
        self.write(number, message: inner.buffer)
    }
}
