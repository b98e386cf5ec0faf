import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the system says of a socket, in its own words: NIO calls each failure of connecting one a reset.
package struct SystemError: Error, CustomStringConvertible {
    /// Its number (errno).
    package let number: CInt

    /// Nil for what is none of the system.
    package init?(_ error: any Error) {
        guard let error = error as? IOError else { return nil }
        self.number = error.errnoCode
    }

    package var words: String { strerror(self.number).map { String(cString: $0) } ?? "an error of the system" }

    package var description: String { "\(self.words) (errno: \(self.number))" }
}
