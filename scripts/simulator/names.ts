/** Names as Italian customers give them: free text with accents, quotes and dashes, not unique. */
export const PROJECT_NAMES = [
  'Condominio Città Giardino – Milano',
  "Palazzo dell'Università",
  'Residenza "Il Melograno"',
  'Teleriscaldamento Forlì Sud',
  'Scuola Elementare Niccolò Tommaseo',
] as const;

export const PLANTS = [
  'Centrale termica',
  'Sottostazione',
  'Unità trattamento aria',
  'Collettore piano terra',
  'Pannelli radianti',
  'Colonna montante',
  "Caffè dell'atrio",
  'Palestra',
] as const;

export const PLACES = [
  'Scala A',
  'Scala B',
  'lato Nord',
  'lato Sud',
  '1° piano',
  '2° piano',
  'Edificio "Ex Opificio"',
] as const;

export const CITIES = ['Milano', 'Forlì', "L'Aquila", 'Cantù', 'Torino'] as const;
