/// How a head breaks the grammar of RFC 9112, or a limit.
package struct HTTPHeadError: Error, Equatable {
    /// What and where, for people.
    package let message: String

    init(_ message: String) { self.message = message }
}
