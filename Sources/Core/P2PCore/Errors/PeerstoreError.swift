/// Why a peerstore could not be opened, or would not keep something.
public typealias PeerstoreError = CodedFailure<any Peerstore>

extension PeerstoreError.Code {
    /// The file can't be opened, made, read or written; the cause says why.
    public static var unavailable: Self { Self("peerstoreUnavailable") }
    /// The file is readable or writable for others than its owner.
    public static var exposed: Self { Self("peerstoreExposed") }
    /// The file is no database, or a damaged one. Nothing was changed.
    public static var damaged: Self { Self("peerstoreDamaged") }
    /// A later version of this package has written the file.
    public static var tooNew: Self { Self("peerstoreTooNew") }
    /// Metadata that are longer than a limit allows, or one entry too many; the message names the limit.
    public static var tooLarge: Self { Self("peerstoreTooLarge") }
    /// The part that this needs was not compiled in; the message names the package trait.
    public static var notBuiltIn: Self { Self("notBuiltIn") }
}
